"""Formatting of numbers and names for readers."""

from math import floor, isfinite, log10

from pipeline.evaluation.intervals import Estimate

MINUS, NONE = "\u2212", "–"
PREFIXES = ("", " k", " M", " G", " T")


def words(name: str) -> str:
    """Format a name: `log_loss` → `log loss`."""
    return name.replace("_", " ")


def figure(value: int | float, digits: int = 4) -> str:
    """Format a number with this many decimals, or with four digits where it is large or tiny.

    What is not a finite number becomes a dash.
    """
    if not isfinite(value):
        return NONE
    is_plain = value == 0 or 0.001 <= abs(value) < 10
    form = f".{digits}f" if is_plain else ".4g"
    return f"{value + 0.0:{form}}".replace("-", MINUS)  # + 0.0 removes the sign of -0.0


def signed(value: float, digits: int = 4) -> str:
    return ("+" if value > 0 else "") + figure(value, digits)


def interval(found: Estimate) -> str:
    """Format an interval: `[0.9410, 0.9522]`."""
    return f"[{figure(found.low)}, {figure(found.high)}]"


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
