"""Formatting of numbers and names for readers."""

import re
from collections.abc import Iterable, Sequence
from math import floor, isfinite, log10

HYPHEN = r"(?<=[ \[(])-(?=\d)"  # one that stands for a minus
MINUS, NONE = "\u2212", "–"
PREFIXES = ("", " k", " M", " G", " T")
MOST_DECIMALS = 9
NAMES = {
    "brier": "Brier score",
    "cohen_kappa": "Cohen's kappa",
    "f1": "F1",
    "mae": "MAE",
    "matthews": "Matthews correlation",
    "r2": "R²",
    "rmse": "RMSE",
    "roc_auc": "ROC AUC",
    "given_probability": "probability of the given label",
    "suggested_probability": "probability of the suggested label",
    "true_probability": "probability of the true label",
    "val": "validation",
}
"""The names that a reader knows other than by their words."""


def words(name: str) -> str:
    """Format a name: `log_loss` → `log loss`, `macro_f1` → `macro F1`."""
    return NAMES.get(name) or " ".join(NAMES.get(word, word) for word in name.split("_"))


def sentence(text: str) -> str:
    """Return the text with a capital at its start, and with minus signs."""
    return with_minus(text[:1].upper() + text[1:])


def with_minus(text: str) -> str:
    """Return the text with minus signs instead of the hyphens that terminals show."""
    return re.sub(HYPHEN, MINUS, text)


def decimals(values: Iterable[float]) -> int:
    """Return how many decimals show four digits of the largest of these values, or four if small.

    All numbers of a column or an interval share them.
    """
    power = _power(max((abs(v) for v in values if isfinite(v)), default=0.0))
    return 4 if -3 <= power < 1 else min(max(3 - power, 0), MOST_DECIMALS)


def setting_decimals(values: Iterable[float]) -> int:
    """Return how many decimals show three digits of the smallest of these values, if it has them.

    Settings, such as learning rates, may differ by powers of ten, and all of them matter.
    """
    kept = [abs(v) for v in values if v and isfinite(v)]
    most = min(max(2 - _power(min(kept, default=0.0)), 0), MOST_DECIMALS)
    rounded = [round(v, most) for v in kept]
    return next(n for n in range(most + 1) if [round(v, n) for v in rounded] == rounded)


def figure(value: int | float, digits: int = 4) -> str:
    """Format a number with this many decimals; what is not finite becomes a dash."""
    if not isfinite(value):
        return NONE
    rounded = round(value, digits) + 0.0  # removes the sign of -0.0
    return f"{rounded:,.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int = 4) -> str:
    return ("+" if round(value, digits) > 0 else "") + figure(value, digits)


def interval(ends: Sequence[float], digits: int = 4) -> str:
    """Format an interval: `[0.9410, 0.9522]`."""
    return f"[{', '.join(figure(end, digits) for end in ends)}]"


def percent(value: int | float) -> str:
    return f"{value:.1%}"


def p_value(p: float) -> str:
    """Format a p-value: `0.034`, `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_text(p: float) -> str:
    """Format a p-value with its symbol: `p = 0.034`, `p < 0.001`."""
    return f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def amount(value: int | float) -> str:
    """Format an amount with three significant digits: `12.3 k`, `4.56 M`."""
    power = min(max(int(log10(abs(value)) // 3), 0), len(PREFIXES) - 1) if value else 0
    scaled = value / 1000**power
    decimals = max(0, 2 - floor(log10(abs(scaled)))) if power and scaled else 0
    return f"{scaled:.{decimals}f}{PREFIXES[power]}"


def _power(value: float) -> int:
    """Return the power of ten of the first digit; 0 for 0."""
    return floor(log10(value)) if value else 0
