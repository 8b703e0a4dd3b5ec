"""Which source files a module of this package depends on, by its imports, and what they say.

The import graph is grimp's: static imports, also those inside functions. What a module loads by name at run time is
named by whoever asks.
"""

import ast
import functools
import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = "repro"


@functools.cache
def _graph() -> Any:
    import grimp

    return grimp.build_graph(PACKAGE, cache_dir=None)


def modules(starts: Iterable[str], ignored: Collection[str] = ()) -> set[str]:
    """`starts` and every module of this package that they import, directly or not, but nothing below `ignored` ones.

    `ignored` are modules or whole packages. Raises `ValueError` when there is no such module.
    """
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name in found or any(name == other or name.startswith(f"{other}.") for other in ignored):
            continue
        if name not in _graph().modules:
            raise ValueError(f"there is no module {name}")
        found.add(name)
        waiting += _graph().find_modules_directly_imported_by(name)
    return found


def file_of(module: str) -> Path:
    """The source file of a module of this package."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def digest(names: Iterable[str]) -> str:
    """SHA-256 over the code of modules; comments, docstrings and layout do not count.

    For checkpoints: mending a comment must not throw away days of training.
    """
    total = hashlib.sha256()
    for name in sorted(names):
        tree = ast.parse(file_of(name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                node.value.value = ""  # a docstring
        total.update(f"{name} {ast.dump(tree)}".encode())
    return total.hexdigest()
