"""Check annotations while testing, also those whose names are imported for type checkers only.

Components import numpy and torch inside their functions, and for their annotations under `if
TYPE_CHECKING:`. Annotations whose names are unknown would be skipped in silence, so the blocks that
only import run here.

Every call is checked, in simulations too, so a check is kept cheap: jaxtyping's own wrapper binds
the arguments of each call to the signature and checks them twice, which took longer than the
functions themselves.
"""

import ast
import re
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from inspect import isclass, isgeneratorfunction
from types import CodeType, ModuleType
from typing import Any

from beartype import beartype
from jaxtyping import install_import_hook, jaxtyped

BLOCK = re.compile(rb"^if TYPE_CHECKING:(?=\n    (?:from|import) )", re.MULTILINE)
DECORATOR = "__import__('sys').modules['tests.annotations'].check_calls"
SHAPES = jaxtyped("context")
"""Entered by each call, so that the letters of a shape mean the same throughout that call."""


def check_calls(made: Any) -> Any:
    """Check the arguments and the result of every call of a function, or the fields of a class."""
    if isclass(made) or isgeneratorfunction(made) or names_an_argument(made):
        return jaxtyped(made, typechecker=beartype)
    typed = beartype(made)

    @wraps(made)
    def call(*args: Any, **kwargs: Any) -> Any:
        with SHAPES:
            return typed(*args, **kwargs)

    return call


def names_an_argument(made: Callable[..., Any]) -> bool:
    """Return whether a shape has the value of an argument in it, as `{size}`."""
    return any("{" in str(annotation) for annotation in made.__annotations__.values())


class Decorate(ast.NodeTransformer):
    """Has every function and every class checked."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list.append(decorator(node))
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list.insert(0, decorator(node))  # after @dataclass has been applied
        return self.generic_visit(node)


def decorator(node: ast.FunctionDef | ast.ClassDef) -> ast.expr:
    return ast.copy_location(ast.parse(DECORATOR, mode="eval").body, node)


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

            def source_to_code(data: bytes, origin: str) -> CodeType:
                tree = Decorate().visit(ast.parse(BLOCK.sub(b"if True:", data), origin))
                return compile(ast.fix_missing_locations(tree), origin, "exec", dont_inherit=True)

            loader.source_to_code = source_to_code
        return spec


def check_annotations(package: str) -> None:
    """Check shapes and types in everything of `package` that is imported from now on."""
    # Python keeps the compiled code of a module apart by the name of this function.
    hook = install_import_hook(package, "tests.annotations.check_calls").hook
    sys.meta_path.insert(0, AnnotationImports(hook))
