"""Names that are none, and names that are spelt in two ways."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal

from pipeline.core.errors import UserError
from pipeline.preprocessing.reading.columns import Columns

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# As tables write an empty cell: pandas, numpy, R, SQL, and the errors of spreadsheets.
MISSING = {
    *("nan", "-nan", "+nan", "nat", "na", "n/a", "<na>", "#na", "#n/a", "#n/a n/a", "null"),
    *("none", "nil", "nul", "\\n", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
    *("#null!", "#value!", "#ref!", "#div/0!", "#num!", "#name?"),
}
STANDS = "which usually stands for a missing value"


def check_names(columns: Columns, name: str, first: Mapping[str, int], advice: str) -> None:
    """Refuse names that stand for a missing value, and two spellings of one name.

    Args:
        first: the first row of each name that occurs in the column `name`.
        advice: what to do where the names are meant so.

    Raises:
        UserError: names the cells.
    """
    if doubt := doubtful(first):
        value, other = doubt
        what = f"and {other!r} in {columns.place(first[other])}" if other else STANDS
        raise UserError(f"{columns.at(first[value])}, {name}: got {value!r}, {what}; {advice}")


def doubtful(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first name that stands for a missing value, and ""; or two spellings of one."""
    seen: dict[object, str] = {}
    for value in names:
        meaning = _meaning(value)
        if meaning in MISSING:
            return value, ""
        other = seen.setdefault(meaning, value)
        if other != value:
            return value, other
    return None


def groups_in(columns: Columns, name: str | None) -> list[str] | None:
    """Return the group of each row from the column `name`; None where no column is named.

    Raises:
        UserError: a group stands for a missing value, or is spelt in two ways.
    """
    if name is None:
        return None
    first: dict[str, int] = {}
    for row, group in enumerate(columns.cells[name]):
        if group:
            first.setdefault(group, row)
    check_names(columns, name, first, "correct it; leave the cell empty if it has no group")
    return columns.cells[name]


def _meaning(value: str) -> object:
    """Return what two spellings of one name share: the number, or the words in lower case.

    A letter with an accent may be stored as one character or as two; Unicode holds them equal.
    """
    if NUMBER.fullmatch(value):
        return Decimal(value)
    return " ".join(unicodedata.normalize("NFC", value.casefold()).split())
