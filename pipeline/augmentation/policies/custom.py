"""Any albumentations transforms, with their own arguments, written out in params.yaml.

    policy:
      name: custom
      transforms:
        - {name: HorizontalFlip, p: 0.5}
        - {name: Affine, rotate: [-10, 10]}
        - name: OneOf
          p: 0.5
          transforms: [{name: GaussNoise}, {name: Blur, blur_limit: 3}]

Everything is checked when the parameters load, at the cost of the 0.5 s that importing the library
takes.
"""

from typing import Annotated, Any

from pydantic import Field, field_validator

from pipeline.core.component import Component


class Params(Component):
    """The transforms, applied in this order."""

    transforms: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    """Mappings of `name` and arguments; OneOf, SomeOf, RandomOrder and Sequential nest others."""

    @field_validator("transforms")
    def _known(cls, given: Any) -> Any:  # noqa: N805
        from pipeline.augmentation.library import build

        build(given)
        return given


def transforms(params: Params, height_px: int, width_px: int) -> list[Any]:  # noqa: ARG001
    from pipeline.augmentation.library import build

    return build(params.transforms)
