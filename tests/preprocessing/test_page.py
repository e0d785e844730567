"""The audit's page in a real browser."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from tests.preprocessing.make_images import encode
from tests.preprocessing.test_stage import Preprocessed, damage, write_pets


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audit of pictures with all kinds of findings and a name that tries to be markup."""
    folder = tmp_path_factory.mktemp("audit")
    root = write_pets(folder / "pets")
    damage(root)
    (root / "dog/<script>alert(1)<").mkdir()
    (root / "dog/<script>alert(1)</script>.png").write_bytes(
        encode(np.full((16, 16, 3), 90, np.uint8))
    )
    shutil.copy(root / "cat/00.png", root / "dog/copy.png")
    made = Preprocessed(root, folder / "a", on_bad_image="quarantine")
    return made.layout.audit / "index.html"


@pytest.mark.slow
@pytest.mark.parametrize("width_px", [400, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_a_network_and_without_complaint(
    browser: Browser, page_path: Path, width_px: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width_px, "height": 800}, color_scheme=scheme, offline=True
    )
    page, printed = context.new_page(), []
    page.on("console", lambda message: printed.append(message.text))
    page.on("pageerror", lambda error: printed.append(str(error)))
    page.on("requestfailed", lambda request: printed.append(request.url))
    page.goto(page_path.as_uri())
    assert page.evaluate("document.images.length") >= 5
    assert page.evaluate("[...document.images].every(i => i.naturalWidth && i.alt)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px
    text = page.inner_text("body")
    assert "<script>alert(1)</script>.png" in text
    assert "Two labels: 1" in text
    for anchor in page.query_selector_all("a[href^='#']"):
        assert page.query_selector(str(anchor.get_attribute("href")))
    assert not printed
    context.close()
