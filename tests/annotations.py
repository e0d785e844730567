"""Check annotations while testing, also those whose names are imported for type checkers only.

Components import numpy and torch inside their functions, and for their annotations under `if
TYPE_CHECKING:`. Annotations whose names are unknown would be skipped in silence, so the blocks that
only import run here.
"""

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

from beartype import beartype as checked  # noqa: F401  # a name of its own keeps jaxtyping's cached code apart
from jaxtyping import install_import_hook

BLOCK = re.compile(rb"^if TYPE_CHECKING:(?=\n    (?:from|import) )", re.MULTILINE)


class AnnotationImports(MetaPathFinder):
    """Finds the modules that jaxtyping instruments, and has them run their blocks."""

    def __init__(self, hook: MetaPathFinder) -> None:
        self.hook = hook

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = self.hook.find_spec(name, path, target)
        if spec is not None:
            loader: Any = spec.loader
            compiled = loader.source_to_code

            def source_to_code(data: bytes, origin: str) -> CodeType:
                return compiled(BLOCK.sub(b"if True:", data), origin)

            loader.source_to_code = source_to_code
        return spec


def check_annotations(package: str) -> None:
    """Check shapes and types in everything of `package` that is imported from now on."""
    hook = install_import_hook(package, "tests.annotations.checked").hook
    sys.meta_path.insert(0, AnnotationImports(hook))
