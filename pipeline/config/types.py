"""The types that several sections of params.yaml share."""

from typing import Annotated, TypeAlias

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]  # becomes a folder and a stage's name
Positive = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Value: TypeAlias = bool | int | float | str | None
