"""Which files a step depends on."""

import subprocess
import sys

import pytest

from repro.machine import code
from repro.settings import catalogue
from repro.settings.configuration import validate
from repro.settings.recipe import Recipe
from repro.workflow import dependencies
from tests.workflow.conftest import ROOT


def test_measuring_depends_on_what_it_imports_and_on_the_kinds_of_its_recipes():
    chosen = validate({"name": "x", "experiments": {"channel_conditioning": {}}})
    files = set(dependencies.of_measuring(chosen, "channel_conditioning"))
    own = "repro/experiments/channel_conditioning"
    assert {f"{own}/measure.py", f"{own}/settings.py", "repro/instruments/probes.py", "repro/results/tables.py"} < files
    assert {"repro/networks/residual.py", "repro/images/data.py", "repro/networks/normalisation/none.py"} < files
    assert "repro/networks/initialisation/orthogonal.py" not in files
    assert not {f"{own}/show.py", "repro/results/style.py", "repro/training/descent.py"} & files


def test_showing_depends_on_the_style_and_not_on_the_measurement():
    files = set(dependencies.of_showing("channel_conditioning"))
    own = "repro/experiments/channel_conditioning"
    assert {f"{own}/show.py", "repro/results/style.py", "repro/results/tables.py"} < files
    assert (
        not {
            f"{own}/claims.py",
            "repro/results/claims.py",
            f"{own}/measure.py",
            "repro/results/looks.py",
            "repro/networks/residual.py",
        }
        & files
    )


def test_the_scorecard_depends_on_claims_and_the_page_on_captions():
    files = set(dependencies.of_scoring(["channel_conditioning", "layer_operators"]))
    assert {"repro/experiments/channel_conditioning/claims.py", "repro/results/statistics.py"} < files
    assert not {"repro/experiments/output_gradients/claims.py", "repro/experiments/layer_operators/claims.py"} & files
    files = set(dependencies.of_page(["channel_conditioning"]))
    assert {"repro/experiments/channel_conditioning/caption.rst", "repro/page/template.html"} < files
    assert "repro/experiments/layer_operators/caption.rst" not in files


def test_what_looks_at_no_network_depends_on_none():
    chosen = validate({"name": "x", "experiments": {"limiting_spectrum": {}}})
    files = dependencies.of_measuring(chosen, "limiting_spectrum")
    assert any(file.startswith("repro/random_matrices/") for file in files)
    assert not any(file.startswith(("repro/networks/", "repro/training/", "repro/images/")) for file in files)


def test_training_depends_on_the_engine():
    files = set(dependencies.of_training(Recipe()))
    assert {"repro/training/descent.py", "repro/images/batches.py", "repro/networks/normalisation/batch.py"} < files
    assert "repro/networks/normalisation/none.py" not in files


def test_an_unknown_module_is_refused():
    with pytest.raises(ValueError, match=r"no module repro\.experiments\.nothing"):
        dependencies.of_showing("nothing")
    with pytest.raises(ValueError, match=r"no module repro\.nothing"):
        code.modules(["repro.nothing"])


def test_every_import_of_the_package_is_in_the_graph():
    """Against the modules that Python loads: what a module imports, it depends on."""
    for module in ("repro.training.train", "repro.experiments.showing", "repro.random_matrices"):
        script = f"import sys, {module}\nprint(*(name for name in sys.modules if name.split('.')[0] == 'repro'))"
        loaded = set(
            subprocess.run(
                [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout.split()
        )
        packages = {name for name in loaded if (ROOT / name.replace(".", "/") / "__init__.py").exists()}
        by_name = {f"repro.experiments.{name}.settings" for name in catalogue.entries()}  # loaded by name
        assert loaded - packages - by_name <= code.modules([module])


def test_comments_docstrings_and_layout_do_not_change_the_digest_of_code(tmp_path, monkeypatch):
    (tmp_path / "repro").mkdir()
    monkeypatch.setattr(code, "ROOT", tmp_path)
    module = tmp_path / "repro" / "some.py"

    def digest(text: str) -> str:
        module.write_text(text)
        return code.digest(["repro.some"])

    before = digest('"""A."""\n\ndef f(x):\n    """One."""\n    return x + 1\n')
    assert digest('"""B."""\n\n\n# Why.\ndef f(x):\n    """Two."""\n    return (x + 1)\n') == before
    assert digest('"""B."""\n\n\ndef f(x):\n    """Two."""\n    return x + 2\n') != before


def test_showing_waits_for_no_library_that_measures():
    """PyTorch takes seconds to import."""
    script = (
        "import importlib, sys\n"
        f"for name in {list(catalogue.entries())!r}:\n"
        "    importlib.import_module(f'repro.experiments.{name}.show')\n"
        "    assert 'torch' not in sys.modules, f'to show {name} imports PyTorch'\n"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
