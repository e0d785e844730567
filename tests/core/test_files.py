"""Small files that are damaged are told in one line."""

from pathlib import Path

import pytest

from pipeline.core.errors import UserError
from pipeline.core.files import read_json, write_json


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\x00"])
def test_damaged_json_is_named_with_what_to_do(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json: damaged \(.+\); remove it, and restore it wi"):
        read_json(path)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    tree = {"b": [1, 2.5, None], "a": "ä"}
    write_json(tmp_path / "new/file.json", tree)
    assert read_json(tmp_path / "new/file.json") == tree
