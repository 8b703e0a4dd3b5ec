"""Parts of modules: whole, no larger than need be, and followed into the modules that they use."""

import ast
import builtins
import dis
import types

import pytest

from repro import dependencies
from repro.config import experiment_names
from tests.workflow.conftest import ROOT

STEPS = {"measure": {"COLUMNS", "measure"}, "draw": {"summarise", "plot"}, "judge": {"CLAIMS"}}

MODULE = '''"""An experiment."""
import numpy as np
from repro import probes, style
from repro.claims import Claim, verdict
register("something")
COLUMNS = {"x": "a length"}
COLUMNS["y"] = "another"
SCALE: float = 2.0
SCALE *= 3
LIMIT = COLOUR = 4

def measure(configuration):
    """What is measured."""
    return _scaled(probes.look(configuration))

def _scaled(values):
    return SCALE * np.asarray(values)

def plot(table):
    from repro import networks
    return style.panels(LIMIT, networks.depth())

CLAIMS = [Claim("It grows.", "Section 1", lambda table: verdict(table.x > LIMIT))]
'''


def names(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} | {
        node.id for each in tree.body for node in ast.walk(each) if isinstance(node, ast.Name)
    }


def test_a_part_is_what_its_names_use_to_the_last():
    assert names(dependencies.part(MODULE, {"measure"})) == {
        *("register", "COLUMNS", "SCALE", "measure", "configuration", "_scaled", "probes", "np", "values", "float")
    }
    assert names(dependencies.part(MODULE, {"CLAIMS"})) >= {"CLAIMS", "Claim", "verdict", "LIMIT"}
    assert "measure" not in names(dependencies.part(MODULE, {"plot", "CLAIMS"}))


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("a length", "a width", {"measure", "draw", "judge"}),  # a statement that defines nothing uses COLUMNS
        ("2.0", "2.5", {"measure"}),
        ("SCALE *= 3", "SCALE *= 4", {"measure"}),
        ("SCALE * np", "SCALE / np", {"measure"}),
        ("import numpy as np", "import torch as np", {"measure"}),
        ("style.panels", "style.figure", {"draw"}),
        ("import networks", "import datasets as networks", {"draw"}),
        ("COLOUR = 4", "COLOUR = 5", {"draw", "judge"}),
        ("table.x >", "table.x <", {"judge"}),
        ("It grows.", "It shrinks.", {"judge"}),
        ("something", "anything", {"measure", "draw", "judge"}),
        ("What is measured", "What is measured here", set()),
        ("An experiment", "Another", set()),
        ("return _scaled", "# A remark.\n    return _scaled", set()),
    ],
)
def test_an_edit_changes_the_parts_that_it_can_change(before: str, after: str, changed: set[str]):
    assert MODULE.count(before) == 1
    edited = MODULE.replace(before, after)
    texts = {
        step: [ast.unparse(dependencies.part(text, part)) for text in (MODULE, edited)] for step, part in STEPS.items()
    }
    assert {step for step, (old, new) in texts.items() if old != new} == changed


def global_names(code: types.CodeType) -> set[str]:
    """Names that the bytecode, inner functions included, looks up in the module."""
    found = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return found.union(*(global_names(inner) for inner in code.co_consts if isinstance(inner, types.CodeType)))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("experiment", experiment_names())
def test_each_part_of_each_experiment_lacks_nothing(experiment: str, step: str):
    tree = dependencies.part((ROOT / f"repro/experiments/{experiment}.py").read_text(), STEPS[step])
    code = compile(tree, experiment, "exec")
    namespace: dict[str, object] = {"__name__": experiment}
    exec(code, namespace)  # the part stands alone
    assert STEPS[step] <= namespace.keys()
    assert global_names(code) <= namespace.keys() | vars(builtins).keys() | {"__annotations__"}


def test_a_part_is_followed_into_the_modules_that_it_uses():
    sources = dependencies.measuring("channel_conditioning")
    assert {"repro/probes.py", "repro/networks.py", "repro/datasets.py"} < set(sources.files)
    assert not {"repro/style.py", "repro/claims.py", "repro/experiments/channel_conditioning.py"} & set(sources.files)
    assert "repro/style.py" in dependencies.drawing("channel_conditioning").files
    assert "repro/claims.py" in dependencies.judging("channel_conditioning").files
    assert "repro/training/descent.py" in dependencies.files("repro.training.conditions")


def test_an_unknown_module_is_refused():
    with pytest.raises(ValueError, match=r"no module repro\.experiments\.nothing"):
        dependencies.measuring("nothing")
    with pytest.raises(ValueError, match=r"no module repro\.nothing"):
        dependencies.files("repro.nothing")
