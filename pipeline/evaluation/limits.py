"""Limits of confidence intervals, from a figure and the variance that resampling gives it."""

import numpy as np
import scipy

FEW = 3.5
"""Errors or hits, up to which the limit on their side is that of a Poisson count."""
FEWEST = 3.0
"""The least effective number of values that limits of a mean are given for."""


def normal_or_t(num_groups: int, num_samples: int, confidence: float) -> float:
    """Return the quantile of proportions: normal, or Student's t where samples come in groups."""
    if num_groups == num_samples:
        return float(scipy.stats.norm.ppf((1 + confidence) / 2))
    return float(scipy.stats.t.ppf((1 + confidence) / 2, max(num_groups - 1, 1)))


def wilson(value: float, num: float, quantile: float, confidence: float) -> tuple[float, float]:
    """Return the limits of a proportion of `num` independent samples.

    E. Wilson, Probable Inference, 1927. Where all samples but a few agree, these would miss too
    often, and the limit is that of L. Brown, T. Cai and A. DasGupta, Interval Estimation for a
    Binomial Proportion, 2001, section 4.1.1.
    """
    far = quantile**2 / num
    middle = (value + far / 2) / (1 + far)
    reach = (far * (value * (1 - value) + far / 4)) ** 0.5 / (1 + far)
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    low = min(low, _of_few(value * num, confidence) / num)
    high = max(high, 1 - _of_few((1 - value) * num, confidence) / num)
    return min(low, value), max(high, value)


def _of_few(count: float, confidence: float) -> float:
    """Return the lower limit of a Poisson mean; infinite for other than few counts."""
    if not 0 < count <= FEW:
        return np.inf
    return float(scipy.stats.chi2.ppf(1 - confidence, 2 * count) / 2)


def log_t(
    value: float, error: float, num_effective: float, confidence: float
) -> tuple[float, float]:
    """Return the limits of the mean of values ≥ 0, symmetric on the logarithmic scale.

    Few large values decide such a mean. They are counted by L. Kish, Survey Sampling, 1965, section
    11.7; Student's t has one degree of freedom less. With less than FEWEST, limits would say
    nothing.

    Args:
        error: the standard error of the mean.
        num_effective: the effective number of values, `sum² / sum of squares`.
    """
    if not value > 0 or num_effective < FEWEST:
        return np.nan, np.nan
    reach = float(scipy.stats.t.ppf((1 + confidence) / 2, num_effective - 1)) * error / value
    return float(value * np.exp(-reach)), float(value * np.exp(reach))


def paired_difference(
    value: float, variance: float, num: int, quantile: float
) -> tuple[float, float]:
    """Return the limits of the difference of two proportions of the same `num` samples.

    Resampling knows nothing of the samples on which the two would differ and by chance did not:
    D. Bonett and R. Price, Adjusted Wald Intervals for a Difference of Binomial Proportions Based
    on Paired Data, 2012.
    """
    middle, reach = value * num / (num + 2), quantile * (variance + 2 / num**2) ** 0.5
    low, high = max(-1.0, middle - reach), min(1.0, middle + reach)
    return min(low, value), max(high, value)


def independent_difference(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float]:
    """Return the limits of the difference of two independent figures with limits of their own.

    R. Newcombe, Interval Estimation for the Difference between Independent Proportions, 1998,
    method 10.

    Args:
        first: its value, and its lower and upper limit; `second` likewise.
    """
    (value, low, high), (other, other_low, other_high) = first, second
    below, above = (
        np.hypot(value - low, other_high - other),
        np.hypot(high - value, other - other_low),
    )
    return float(value - other - below), float(value - other + above)


def paired_ratio(
    first: tuple[float, float, float], second: tuple[float, float, float], correlation: float
) -> tuple[float, float]:
    """Return the limits of the ratio of two correlated figures ≥ 0 with limits of their own.

    A. Donner and G. Zou, Closed-Form Confidence Intervals for Functions of the Normal Mean and
    Standard Deviation, 2012, equation 9.

    Args:
        first: its value, and its lower and upper limit; `second` likewise.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    low, high = a_low / b_high, a_high / b_low if b_low > 0 else np.inf
    if b_high < 2 * b:
        middle = a * b - correlation * (a - a_low) * (b_high - b)
        spread = max(middle**2 - a_low * b_high * (2 * a - a_low) * (2 * b - b_high), 0.0)
        low = (middle - spread**0.5) / (b_high * (2 * b - b_high))
    if b_low > 0:
        middle = a * b - correlation * (a_high - a) * (b - b_low)
        spread = max(middle**2 - a_high * b_low * (2 * a - a_high) * (2 * b - b_low), 0.0)
        high = (middle + spread**0.5) / (b_low * (2 * b - b_low))
    return max(0.0, min(low, a / b)), max(high, a / b)


def percentiles(num_groups: int, confidence: float) -> list[float]:
    """Return the quantiles of an expanded percentile interval.

    It compensates for the draws of few groups being too much alike: T. Hesterberg, What Teachers
    Should Know About the Bootstrap, 2015.
    """
    num = max(num_groups, 2)
    far = scipy.stats.t.ppf((1 + confidence) / 2, num - 1) * np.sqrt(num / (num - 1))
    return [float(scipy.stats.norm.cdf(-far)), float(scipy.stats.norm.cdf(far))]
