"""The report in a real browser."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from playwright.sync_api import Browser, Page

from pipeline.config.distillation import Student
from pipeline.core.kind import Kind
from pipeline.core.paths import Layout
from pipeline.report.page import write_page
from tests.report import make_findings

KINDS = get_args(Kind)

# The lowest contrast of any text with what is behind it (WCAG 2.1, 1.4.3), and that text.
CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const over = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const light = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => {
      c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
  };
  let worst = [99, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.data.trim();
    const isShown = element.getClientRects().length && !/script|style|title/i.test(element.tagName);
    if (!text || !isShown) continue;
    const behind = [], style = getComputedStyle(element);
    for (let up = element; up; up = up.parentElement)
      behind.unshift(getComputedStyle(up).backgroundColor);
    const cell = element.previousElementSibling;  // of a matrix: its colour lies under the text
    if (cell?.tagName === "rect") {
      const {fill, fillOpacity} = getComputedStyle(cell);
      behind.push(`color-mix(in srgb, ${fill} ${100 * fillOpacity}%, transparent)`);
    }
    const ink = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
    const [a, b] = [over(["white", ...behind]), over(["white", ...behind, ink])];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < worst[0]) worst = [contrast, text];
  }
  return worst;
}"""


# The texts of drawings that reach beyond their edges.
CUT = """[...document.querySelectorAll("svg.drawing text")].filter((text) => {
  const [own, all] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
  return own.left < all.left - 1 || own.right > all.right + 1
    || own.top < all.top - 1 || own.bottom > all.bottom + 1;
}).map((text) => text.textContent)"""


SHAPES = """(drawing) => [...drawing.querySelectorAll("*")].map((shape) =>
  [shape.tagName, shape.textContent, ...[...shape.attributes].map((a) => a.name + a.value)])"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of each kind of task."""
    made = {}
    for kind in KINDS:
        layout = make_findings.write(tmp_path_factory.mktemp(kind), kind)
        write_page(layout, layout, make_findings.params(kind))
        made[kind] = layout.report
    return made


@pytest.fixture
def page(browser: Browser, pages: dict[str, Path]) -> Iterator[Page]:
    """The report of classes."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    opened = context.new_page()
    opened.goto(pages["classes"].as_uri())
    yield opened
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width_px", "scheme"), [(390, "light"), (1200, "dark")])
def test_it_opens_without_a_network_and_without_complaint(
    browser: Browser, pages: dict[str, Path], kind: str, width_px: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width_px, "height": 800}, color_scheme=scheme, offline=True
    )
    opened, said, asked = context.new_page(), [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(pages[kind].as_uri())
    assert opened.evaluate("document.images.length") == 12
    assert opened.evaluate("[...document.images].every(i => i.naturalWidth && i.alt)")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width_px
    opened.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width_px
    lowest, text = opened.evaluate(CONTRAST)
    assert lowest >= 4.5, text
    assert not said
    assert [url for url in asked if not url.startswith("data:")] == [pages[kind].as_uri()]
    context.close()


@pytest.mark.slow
def test_the_first_screen_says_what_was_compared_and_found(page: Page) -> None:
    seen = page.evaluate(
        "[...document.querySelectorAll('header *')].filter(e => !e.children.length"
        " && e.getBoundingClientRect().bottom <= innerHeight).map(e => e.textContent).join(' ')"
    )
    for part in ("4 members and 3 ensembles", "2,000 test samples", "by 1.20 points", "p = 0.003"):
        assert part in seen
    assert "[0.40, 2.10]" in page.inner_text("h1")


@pytest.mark.parametrize(("num", "text"), [(1, "1 student,"), (2, "2 students,")])
def test_the_first_line_counts_students(tmp_path: Path, num: int, text: str) -> None:
    layout, own = make_findings.write(tmp_path), make_findings.params("classes")
    students = {f"small_{i}": Student(recipe="cnn") for i in range(num)}
    write_page(layout, layout, own.model_copy(update={"distil": students}))
    assert f"4 members, 3 ensembles and {text} compared on" in layout.report.read_text()


@pytest.mark.slow
def test_the_data_name_the_splits_that_differ_in_their_classes(page: Page) -> None:
    seen = page.inner_text("#data")
    assert re.search(r"shares in train and test\s+newt 40.0% and 10.0%, p < 0.001", seen)


def column(page: Page, place: int) -> list[str]:
    cells = page.locator("table.sortable").first.locator(f"tbody tr > :nth-child({place})")
    return [text.split()[0] for text in cells.all_inner_texts()]


@pytest.mark.slow
def test_tables_are_sorted_by_mouse_and_by_keyboard(page: Page) -> None:
    headings = page.locator("table.sortable").first.locator("thead th")
    assert [h.get_attribute("aria-sort") for h in headings.all()] == ["none"] * headings.count()
    headings.nth(2).get_by_role("button").click()
    assert headings.nth(2).get_attribute("aria-sort") == "ascending"
    assert column(page, 3) == sorted(column(page, 3))
    headings.nth(2).get_by_role("button").click()
    assert headings.nth(2).get_attribute("aria-sort") == "descending"
    assert column(page, 3) == sorted(column(page, 3), reverse=True)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert headings.nth(0).get_attribute("aria-sort") == "ascending"
    assert headings.nth(2).get_attribute("aria-sort") == "none"
    assert column(page, 1) == sorted(column(page, 1))


@pytest.mark.slow
def test_amounts_are_sorted_as_numbers_and_missing_ones_come_last(page: Page) -> None:
    table = page.get_by_role("table", name="Trials of cnn")
    button = table.get_by_role("button", name="validation log loss")
    for expected in (["0.2000", "0.3000", "–"], ["0.3000", "0.2000", "–"]):
        button.click()
        assert table.locator("tbody tr > :nth-child(4)").all_inner_texts() == expected


def cells(page: Page, table: str, place: int) -> list[str]:
    rows = page.get_by_role("table", name=table).locator(f"tbody tr > :nth-child({place})")
    return [" ".join(text.split()) for text in rows.all_text_contents()]


@pytest.mark.slow
def test_each_setting_of_each_member_stands_there_with_a_search_or_without(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert cells(page, "Members", 1) == ["cnn_1", "cnn_2", "resnet_1", "resnet_2"]
    recipes = make_findings.params("classes").recipes
    table = "All settings of each recipe"
    found = dict(zip(cells(page, table, 1), cells(page, table, 3), strict=True))
    own = recipes["resnet"]
    assert found["training.lr"] == f"{own.training.lr:g}"  # the report has no trial of resnet
    assert found["training.batch_size"] == str(own.training.batch_size)
    assert found["training.patience"] == str(own.training.patience)
    assert found["model.name"] == "resnet"
    searched = dict(zip(cells(page, table, 1), cells(page, table, 2), strict=True))
    assert searched["training.lr"] == f"{recipes['cnn'].training.lr:g} searched"
    assert "searched" not in searched["training.batch_size"]
    dumped = own.model_dump()
    assert {key.split(".")[1] for key in found if key.startswith("training.")} == set(
        dumped["training"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_have_the_same_decimals_within_a_column(
    browser: Browser, pages: dict[str, Path], kind: str
) -> None:
    page = browser.new_page()
    page.goto(pages[kind].as_uri())
    columns = page.evaluate(
        """[...document.querySelectorAll("table.sortable")].flatMap((table) =>
        [...table.querySelectorAll("th.number")].map((heading) =>
        [...table.tBodies[0].rows].map((row) => row.cells[heading.cellIndex].textContent)))"""
    )
    assert len(columns) > 25
    decimal = re.compile(r"\.(\d+)(?![\d.]* [kMGT])")  # amounts such as 12.3 k have three digits
    for column in columns:
        decimals = {len(digits) for text in column for digits in decimal.findall(text)}
        assert len(decimals) <= 1, column
    page.close()


@pytest.mark.slow
def test_a_keyboard_reaches_the_content_first_and_sees_where_it_is(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_screen_reader_finds_its_way(browser: Browser, pages: dict[str, Path], kind: str) -> None:
    page = browser.new_page()
    page.goto(pages[kind].as_uri())
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(landmark).count() == 1
    for anchor in page.query_selector_all("a[href^='#']"):
        assert page.query_selector(str(anchor.get_attribute("href")))
    assert page.evaluate("[...document.querySelectorAll('thead th')].every(h => h.scope == 'col')")
    assert page.evaluate("[...document.querySelectorAll('tbody th')].every(h => h.scope == 'row')")
    assert page.evaluate(
        "[...document.querySelectorAll('figure > svg')].every(s => s.ariaLabel.length > 20)"
    )
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    page.close()


@pytest.mark.slow
def test_nothing_is_cut_on_paper(page: Page) -> None:
    page.set_viewport_size({"width": 690, "height": 1000})  # A4 less its margins, in CSS pixels
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 690
    widest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('table')]"
        ".map(t => t.getBoundingClientRect().right))"
    )
    assert widest <= 690
    assert page.evaluate(
        "[...document.querySelectorAll('main svg')].every(s => s.clientWidth <= 690)"
    )
    assert page.evaluate("[...document.querySelectorAll('table')].every(t => t.offsetHeight > 20)")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_drawing_is_also_a_file_that_stands_alone(
    browser: Browser, pages: dict[str, Path], kind: str
) -> None:
    """With the same shapes and words, and no text cut off at an edge."""
    page = browser.new_page()
    page.goto(pages[kind].as_uri())
    assert page.evaluate(CUT) == []
    drawn = page.evaluate(
        f"Object.fromEntries([...document.querySelectorAll('figure:has(> h3)')].map(f =>"
        f" [f.querySelector('h3').textContent, ({SHAPES})(f.querySelector('svg'))]))"
    )
    files = {path.stem: path for path in (pages[kind].parent / "plots").iterdir()}
    assert len(files) == len(drawn)
    assert set(files) >= {"cost", "sizes", "learning_curves", "differences", "robustness_haze"}
    for path in files.values():
        page.goto(path.as_uri())
        assert page.evaluate(CUT) == []
        title = page.evaluate("document.querySelector('text.title').textContent")
        assert page.evaluate(f"({SHAPES})(document.querySelector('g'))") == drawn[title]
        assert "var(" not in path.read_text()
    page.close()


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.append(tag)


def test_names_cannot_become_markup(pages: dict[str, Path]) -> None:
    text = pages["classes"].read_text()
    assert Tags(text).tags.count("script") == 1
    assert "&lt;script&gt;alert(1)" in text


def test_the_same_findings_are_the_same_bytes(pages: dict[str, Path], tmp_path: Path) -> None:
    layout = make_findings.write(tmp_path, "classes")
    write_page(layout, layout, make_findings.params("classes"))
    before = Layout(pages["classes"].parents[1])
    drawings = [path.relative_to(tmp_path) for path in layout.plots.iterdir()]
    assert {"confusion.svg", "roc.svg"} <= {path.name for path in drawings}
    for path in (layout.report.relative_to(tmp_path), *drawings):
        assert (tmp_path / path).read_bytes() == (before.root / path).read_bytes()
        assert str(tmp_path) not in (tmp_path / path).read_text()


def ids(page: Path) -> list[str]:
    return re.findall(r'<section id="(\w+)"', page.read_text())


def test_sections_without_content_are_left_out(pages: dict[str, Path], tmp_path: Path) -> None:
    everything = set(ids(pages["classes"]))
    assert everything >= {"systems", "probabilities", "per_class", "search", "robustness", "slices"}
    assert everything - set(ids(pages["values"])) == {"probabilities", "per_class"}
    layout = make_findings.write(tmp_path, "classes")
    shutil.rmtree(layout.inspection)
    (layout.search("cnn") / "trials.csv").unlink()
    write_page(layout, layout, make_findings.params("classes"))
    assert everything - set(ids(layout.report)) == {"robustness", "search"}


def test_matrices_of_many_systems_show_the_best_and_those_the_verdict_is_on(tmp_path: Path) -> None:
    layout = make_findings.write(tmp_path, "classes")
    findings = make_findings.many(layout, 40)
    shown = findings.shown_systems
    assert len(shown) == 24
    assert {"greedy", "resnet_2"} <= set(shown)
    assert shown[0] == "extra_39"
    assert "best 24 of 47" in findings.only_best
