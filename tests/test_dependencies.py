"""Parts of modules: whole, no larger than need be, and followed into the modules that they use."""

import ast
import builtins
import dis
import subprocess
import sys
import types

import pytest

from repro import dependencies, experiments
from repro.config import experiment_names
from repro.dependencies import PARTS
from tests.workflow.conftest import ROOT

MODULE = '''"""An experiment."""
import numpy as np
from repro import probes, style
from repro.claims import Claim, verdict
register("something")
COLUMNS = {"x": "a length"}
COLUMNS["y"] = "another"
COLUMNS["z"], EXTRA = [name for name in ("a third", "a fourth")]
for letter in ("v", "w"):
    COLUMNS[letter] = "more"
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
        *(
            "register",
            "COLUMNS",
            "EXTRA",
            "letter",
            "name",
            "SCALE",
            "measure",
            "configuration",
            "_scaled",
            "probes",
            "np",
            "values",
            "float",
        )
    }
    assert names(dependencies.part(MODULE, {"CLAIMS"})) >= {"CLAIMS", "Claim", "verdict", "LIMIT"}
    assert "measure" not in names(dependencies.part(MODULE, {"plot", "CLAIMS"}))


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("a length", "a width", {"measure", "draw", "judge"}),  # a statement that defines nothing uses COLUMNS
        ("a third", "a fifth", {"measure", "draw", "judge"}),
        ('"more"', '"most"', {"measure", "draw", "judge"}),
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
        ("return _scaled", "# A remark.\n    return _scaled", set()),
    ],
)
def test_an_edit_changes_the_parts_that_it_can_change(before: str, after: str, changed: set[str]):
    assert MODULE.count(before) == 1
    edited = MODULE.replace(before, after)
    texts = {
        step: [ast.unparse(dependencies.part(text, part)) for text in (MODULE, edited)] for step, part in PARTS.items()
    }
    assert {step for step, (old, new) in texts.items() if old != new} == changed


def global_names(code: types.CodeType) -> set[str]:
    """Names that the bytecode, inner functions included, looks up in the module."""
    found = {each.argval for each in dis.get_instructions(code) if each.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return found.union(*(global_names(inner) for inner in code.co_consts if isinstance(inner, types.CodeType)))


@pytest.mark.parametrize("step", PARTS)
@pytest.mark.parametrize("experiment", experiment_names())
def test_each_part_of_each_experiment_lacks_nothing(experiment: str, step: dependencies.Step):
    module = vars(experiments.experiment(experiment, step))
    assert PARTS[step] <= module.keys()
    source = (ROOT / f"repro/experiments/{experiment}.py").read_text()
    code = compile(dependencies.part(source, PARTS[step]), experiment, "exec")
    assert global_names(code) <= module.keys() | vars(builtins).keys() | {"__annotations__"}


def test_drawing_and_judging_wait_for_no_library_that_measures():
    """PyTorch takes seconds to import. Import what only `measure` uses at the top: drawing leaves it out."""
    script = (
        "import sys; from repro import experiments\n"
        f"for name in {experiment_names()!r}:\n"
        "    for step in ('draw', 'judge'):\n"
        "        experiments.experiment(name, step)\n"
        "        assert 'torch' not in sys.modules, f'to {step} {name} imports PyTorch'\n"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_part_is_followed_into_the_modules_that_it_uses():
    sources = dependencies.of_experiment("channel_conditioning", "measure")
    assert {"repro/probes.py", "repro/networks.py", "repro/datasets.py"} < set(sources.files)
    assert not {"repro/style.py", "repro/claims.py", "repro/experiments/channel_conditioning.py"} & set(sources.files)
    assert "repro/style.py" in dependencies.of_experiment("channel_conditioning", "draw").files
    assert "repro/claims.py" in dependencies.of_experiment("channel_conditioning", "judge").files
    assert "repro/training/descent.py" in dependencies.files("repro.training.conditions")


def test_an_unknown_module_is_refused():
    with pytest.raises(ValueError, match=r"no module repro\.experiments\.nothing"):
        dependencies.of_experiment("nothing", "draw")
    with pytest.raises(ValueError, match=r"no module repro\.nothing"):
        dependencies.files("repro.nothing")
