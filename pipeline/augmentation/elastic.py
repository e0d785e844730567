"""Elastic deformation whose strength has the same meaning for every image size."""

import math
from typing import Any

from pipeline.augmentation.backend import A

WAVES = 8  # a bump is about an eighth of the image wide


def elastic(displacement: float, height_px: int, width_px: int, probability: float) -> Any:
    """Move pixels by normal distances with standard deviation `displacement`, in image sides.

    The random fields are smooth, as in P. Simard et al., Best Practices for Convolutional Neural
    Networks, 2003. White noise smoothed by a Gaussian of width σ px has a standard deviation of
    1 / (2√π σ); `alpha` compensates for it.
    """
    side_px = min(height_px, width_px)
    sigma_px = max(side_px / WAVES, 1.0)
    alpha = displacement * side_px * 2 * math.sqrt(math.pi) * sigma_px
    return A.ElasticTransform(alpha=alpha, sigma=sigma_px, border_mode=4, p=probability)
