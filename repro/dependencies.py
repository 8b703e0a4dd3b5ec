"""Which source files a step of the workflow depends on, found by reading imports; nothing is imported.

The rules declare these files as inputs, so that editing a file reruns the steps whose outcome it can change and no
others. Snakemake compares checksums: touching a file, or editing it back, reruns nothing.
"""

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What configuration does to a step is in the rule's `params`; messages, progress bars, locks and which of several GPUs
# computes change no result.
WITHOUT_RESULT = frozenset(
    {
        "repro",
        "repro.config",
        "repro.config_errors",
        "repro.errors",
        "repro.gpu_lease",
        "repro.jobs",
        "repro.locks",
        "repro.progress",
    }
)
# These come in when a table is drawn or judged, never when it is measured.
AFTER_MEASURING = frozenset({"repro.style", "repro.claims", "repro.sources"})


def measuring(module: str) -> list[str]:
    """The files that decide what `module` measures or trains, relative to the repository's root, sorted."""
    return sources(module, WITHOUT_RESULT | AFTER_MEASURING)


def drawing(module: str) -> list[str]:
    """The files that decide what `module` draws from its table."""
    return sources(module, WITHOUT_RESULT | {"repro.claims"})


def judging(module: str) -> list[str]:
    """The files that decide what `module` concludes from its table."""
    return sources(module, WITHOUT_RESULT | {"repro.style"})


def sources(module: str, ignored: frozenset[str]) -> list[str]:
    """The files of `module`, of `repro.tables` and `repro.sources`, which every step uses, and of all they import.

    Imports are followed transitively, also those inside functions, but not into the `ignored` modules. A package's
    `__init__.py` counts when something that it defines is imported. Raises `ValueError` when there is no such module.
    """
    if _file(module) is None:
        raise ValueError(f"there is no module {module}")
    found: set[str] = set()
    waiting = [module, "repro.tables", "repro.sources"]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in ignored:
            found.add(name)
            waiting += local_imports(name)
    return sorted(str(file.relative_to(ROOT)) for name in found if (file := _file(name)))


@functools.cache
def local_imports(module: str) -> tuple[str, ...]:
    """Names of this package's modules that `module` itself imports."""
    file = _file(module)
    assert file is not None
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parts = package.split(".")
                origin = ".".join(parts[: len(parts) - node.level + 1] + ([node.module] if node.module else []))
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                names.add(inner if _file(inner) else origin)
    return tuple(sorted(name for name in names if _file(name)))


def _file(module: str) -> Path | None:
    """The source of a module of this package; None for what comes from elsewhere."""
    if module.split(".")[0] != "repro":
        return None
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
