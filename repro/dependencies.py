"""Which source code a step of the workflow depends on, found by reading it; nothing is imported.

Of an experiment's module each step depends on the part that it uses, and that part alone is executed
(`repro.experiments.experiment`): editing how a figure is drawn measures nothing again, and drawing needs no torch.
Other modules count as a whole. The rules declare these as inputs and parameters, so that editing code reruns the steps
whose outcome it can change and no others. Snakemake compares checksums: touching a file, or editing it back, reruns
nothing.
"""

import ast
import functools
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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

# What each step uses of an experiment's module.
PARTS = {
    "measure": frozenset({"COLUMNS", "measure"}),
    "draw": frozenset({"COLUMNS", "summarise", "plot"}),
    "judge": frozenset({"COLUMNS", "CLAIMS"}),
}
Step = Literal["measure", "draw", "judge"]


@dataclass(frozen=True)
class Sources:
    """What decides a step's outcome: the `code` it uses of its own module, by a digest, and `files` of other modules.

    Comments, docstrings and layout do not change the digest. Files are relative to the repository's root and sorted.
    """

    code: str
    files: list[str]


@functools.cache
def of_experiment(experiment: str, step: Step) -> Sources:
    """What decides an experiment's table, its figure and summary, or its verdicts."""
    module = f"repro.experiments.{experiment}"
    tree = part(_read(module), PARTS[step], str(_file(module)))
    imported = {name for node in _import_statements(tree) for name in _imports(node, module)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""  # a docstring
    # Snakemake shows it when it says what has changed.
    code = f"to {step}, {experiment}.py has {hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:12]}"
    return Sources(code, _files(imported, WITHOUT_RESULT | AFTER_MEASURING if step == "measure" else WITHOUT_RESULT))


def files(module: str) -> list[str]:
    """The files that decide what a whole `module` prepares or trains. Raises `ValueError` when there is none."""
    return _files([module], WITHOUT_RESULT | AFTER_MEASURING)


def part(source: str, names: Collection[str], filename: str = "<unknown>") -> ast.Module:
    """The top-level statements of a module's `source` that define `names`, and those that these use, to the last.

    Imports that are not used are left out. Statements that define nothing, like a call or a block, belong to every
    part.
    """
    tree = ast.parse(source, filename)
    used, chosen = set(names), set[ast.stmt]()
    grown = True
    while grown:
        grown = False
        for statement in tree.body:
            defined = _defined(statement)
            if statement not in chosen and (not defined or defined & used):
                chosen.add(statement)
                used |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
                grown = True
    tree.body = [statement for statement in tree.body if statement in chosen]
    return ast.fix_missing_locations(_WithoutUnusedImports(used).visit(tree))


class _WithoutUnusedImports(ast.NodeTransformer):
    def __init__(self, used: Collection[str]) -> None:
        self.used = used

    def visit_Import(self, node: ast.Import) -> ast.stmt:
        node.names = [alias for alias in node.names if _bound(alias) in self.used]
        return node if node.names else ast.Pass()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        node.names = [alias for alias in node.names if _bound(alias) in self.used]
        return node if node.names else ast.Pass()


def _defined(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement defines; none for one that may do anything, like a block."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {_bound(alias) for alias in statement.names}
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    # A part of something else, as in COLUMNS["x"] = ..., is no name.
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    return names if len(names) == len(targets) else set()


def _bound(alias: ast.alias) -> str:
    """The name that an import makes known."""
    return alias.asname or alias.name.partition(".")[0]


def _files(modules: Iterable[str], ignored: frozenset[str]) -> list[str]:
    """The files of `modules`, of `repro.tables` and `repro.sources`, which every step uses, and of all they import.

    Imports are followed transitively, also those inside functions, but not into the `ignored` modules. A package's
    `__init__.py` counts when something that it defines is imported. Raises `ValueError` when there is no such module.
    """
    found: set[str] = set()
    waiting = [*modules, "repro.tables", "repro.sources"]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in ignored:
            found.add(name)
            waiting += local_imports(name)
    return sorted(str(file.relative_to(ROOT)) for name in found if (file := _file(name)))


@functools.cache
def local_imports(module: str) -> tuple[str, ...]:
    """Names of this package's modules that `module` itself imports. Raises `ValueError` when there is no `module`."""
    found = {name for node in _import_statements(ast.parse(_read(module))) for name in _imports(node, module)}
    return tuple(sorted(found))


def _import_statements(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def _imports(node: ast.Import | ast.ImportFrom, module: str) -> set[str]:
    """Names of this package's modules that an import inside `module` uses."""
    if isinstance(node, ast.Import):
        names = {alias.name for alias in node.names}
    else:
        origin = node.module or ""
        if node.level:
            parts = f"{module}.__init__".split(".") if _is_package(module) else module.split(".")
            origin = ".".join([*parts[: -node.level], *([node.module] if node.module else [])])
        names = {inner if _file(inner := f"{origin}.{alias.name}") else origin for alias in node.names}
    return {name for name in names if _file(name)}


def _is_package(module: str) -> bool:
    file = _file(module)
    return file is not None and file.name == "__init__.py"


def _read(module: str) -> str:
    file = _file(module)
    if file is None:
        raise ValueError(f"there is no module {module}")
    return file.read_text(encoding="utf-8")


def _file(module: str) -> Path | None:
    """The source of a module of this package; None for what comes from elsewhere."""
    if module.split(".")[0] != "repro":
        return None
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
