"""The scorecard of a folder of tables: decided, written, read and told."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from repro.experiments import measuring, scoring, showing
from repro.machine.errors import UserError
from repro.results import statistics, tables
from repro.results.claims import Claim, Condition, Kind, Needs, RuleChange, Undecided
from repro.results.published_values import PublishedValue
from repro.results.statistics import Region
from repro.settings import catalogue
from repro.settings.configuration import Configuration, validate

GROWTH = {"sizes": [10], "factors": [1, 2, 4], "draws": 3}


def claim(identifier: str, value: float, kind: Kind = "paper", needs: Needs | None = None) -> Claim:
    """One that is reproduced when `value` is above 0, by the number of the table's rows at least."""

    def estimate(table: pd.DataFrame) -> statistics.Estimate:
        if np.isnan(value):
            raise Undecided("no value")
        return statistics.median([value] * min(5, len(table)))

    sign = Condition("value", estimate, Region(above=0.0), "The sign is the claim.")
    return Claim(identifier, kind, f"It is called {identifier}.", "Section 1", (sign,), needs or Needs())


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """One whose two tables are measured, below an empty current folder; neither claims anything yet."""
    monkeypatch.chdir(tmp_path)
    experiments = {"limiting_spectrum": {}, "condition_growth": GROWTH}
    made = validate({"name": "x", "experiments": experiments})
    for name in made.chosen:
        measuring.measure(made, name)
        claiming(monkeypatch, name, [])
    return made


def claiming(monkeypatch: pytest.MonkeyPatch, experiment: str, claims: list[Claim], **others) -> None:
    """The experiment's `claims.py` holds these claims, and `others`."""
    name = f"repro.experiments.{experiment}.claims"
    module = ModuleType(name)
    module.__spec__ = importlib.util.spec_from_loader(name, loader=None)
    for key, value in {"CLAIMS": claims, **others}.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)


def test_claims_are_decided_by_their_experiments_tables(configuration: Configuration, monkeypatch: pytest.MonkeyPatch):
    claiming(monkeypatch, "limiting_spectrum", [claim("held", 1), claim("failed", -1), claim("lost", np.nan, "own")])
    claiming(monkeypatch, "condition_growth", [claim("also_held", 2, "own")])
    found = scoring.score(configuration.results_folder, configuration)
    assert list(found) == list(scoring.FILES)
    cards = found["scorecard"]
    assert list(cards["claim"]) == ["held", "failed", "lost", "also_held"]
    assert list(cards["item"]) == ["fig8"] * 3 + ["condition_number"]
    assert list(cards["verdict"]) == ["reproduced", "not reproduced", "undecided", "reproduced"]
    # Holm within the kind: two of the paper's have a p-value, and one of ours.
    np.testing.assert_allclose(cards["p_value"], [1 / 32, 1, np.nan, 1 / 32])
    np.testing.assert_allclose(cards["p_holm"], [2 / 32, 1, np.nan, 1 / 32])
    assert list(found["scorecard_numbers"]["claim"]) == ["held", "failed", "also_held"]
    assert scoring.told(found) == [
        "paper: 1 reproduced, 1 not reproduced",
        "own: 1 reproduced, 1 undecided",
        "Of 2 reproduced, 1 hold at 5 % within their kind together (Holm).",
    ]


def test_a_scorecard_is_read_as_it_was_written(configuration: Configuration, monkeypatch: pytest.MonkeyPatch):
    def published(table: pd.DataFrame) -> list[PublishedValue]:
        return [
            PublishedValue("exponent", 1.0, "recalled", table["factors"]),
            PublishedValue("none", 2.0, "quoted", []),
        ]

    listed = [claim("held", 1), claim("lost", np.nan), claim("infinite", np.inf)]
    claiming(monkeypatch, "limiting_spectrum", listed, published=published)
    folder = configuration.results_folder
    found, again = scoring.score(folder), scoring.read(folder)
    assert list(again) == list(found)
    for name, frame in found.items():
        assert len(frame) > 0
        pd.testing.assert_frame_equal(again[name], frame, check_dtype=False)
        tables.check(folder / f"{name}.csv", again[name], scoring.FILES[name])
    assert list(found["published_values"]["networks"]) == [2000, 0]
    made_from = json.loads((folder / "scorecard.json").read_text())["provenance"]["tables"]
    assert list(made_from) == ["limiting_spectrum", "condition_growth"]
    assert set(made_from["condition_growth"]) == {"finished", "revision"}


def test_a_scorecard_that_says_nothing_is_read_too(configuration: Configuration):
    folder = configuration.results_folder
    found = scoring.score(folder)
    for frame in (*found.values(), *scoring.read(folder).values()):
        assert frame.empty
    assert scoring.told(found) == ["Of 0 reproduced, 0 hold at 5 % within their kind together (Holm)."]


def test_the_scorecard_is_of_the_configurations_experiments_or_of_all(
    configuration: Configuration, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    claiming(monkeypatch, "limiting_spectrum", [claim("one", 1)])
    claiming(monkeypatch, "condition_growth", [claim("other", 1)])
    folder = configuration.results_folder
    fewer = validate({"name": "x", "experiments": {"condition_growth": GROWTH}})
    assert list(scoring.score(folder)["scorecard"]["claim"]) == ["one", "other"]
    assert list(scoring.score(folder, fewer)["scorecard"]["claim"]) == ["other"]
    assert list(scoring.read(folder)["scorecard"]["claim"]) == ["other"]  # the last one is kept
    with pytest.raises(UserError, match="holds no experiment's table"):
        scoring.score(tmp_path / "nowhere")
    with pytest.raises(
        UserError, match="is missing, damaged or without its companion; make it with: python -m repro s"
    ):
        scoring.read(tmp_path / "nowhere")


def test_a_scorecard_of_other_tables_or_of_another_version_is_not_read(configuration: Configuration):
    folder = configuration.results_folder
    scoring.score(folder)
    measured = {name: showing.read(folder, name)[1] for name in configuration.chosen}
    scoring.read(folder, measured)
    newer = {name: provenance | {"finished": "later"} for name, provenance in measured.items()}
    with pytest.raises(UserError, match=r"was not made from the tables that are in .* now; make it with: python -m re"):
        scoring.read(folder, newer)
    columns = dict(list(scoring.FILES["scorecard"].items())[:3])
    tables.write(folder / "scorecard.csv", pd.DataFrame(columns=list(columns)), columns, {"tables": {}})
    with pytest.raises(UserError, match="is of another version of this package; make it with: python -m repro score"):
        scoring.read(folder)


def test_a_table_of_other_settings_is_not_scored(configuration: Configuration):
    other = validate({"name": "x", "experiments": {"limiting_spectrum": {"factors": [1]}}})
    with pytest.raises(UserError, match="was measured under other settings than the configuration's"):
        scoring.score(configuration.results_folder, other)


def test_an_experiment_without_claims_py_claims_nothing():
    assert scoring.claims_of("layer_operators") == []
    assert not (Path(showing.__file__).parent / "layer_operators" / "claims.py").exists()
    assert scoring.claims_of("limiting_spectrum")


def test_a_small_network_decides_no_claim_on_the_papers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    recipe = {"depth": 8, "batch_size": 4, "images": {"source": "synthetic"}}
    experiments = {"activation_growth": {"seeds": 1, "recipes": [{}]}}
    made = validate({"name": "x", "device": "cpu", "recipe": recipe, "experiments": experiments})
    measuring.measure(made, "activation_growth")
    listed = [claim("any", 1), claim("large", 1, needs=Needs(depth=110, real_images=True))]
    claiming(
        monkeypatch, "activation_growth", listed, published=lambda table: [PublishedValue("x", 1.0, "quoted", [1.0])]
    )
    found = scoring.score(made.results_folder)
    assert list(found["scorecard"]["verdict"]) == ["reproduced", "not run at this scale"]
    assert found["scorecard"]["because"].iloc[1].startswith("depth 8 instead of 110, synthetic images")
    assert found["published_values"].empty


def test_tables_measured_before_and_after_the_images_changed_are_not_scored_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    recipe = {"depth": 8, "batch_size": 4, "images": {"source": "image_folder", "folder": str(tmp_path / "pictures")}}
    networks = {"seeds": 1, "recipes": [{}]}
    experiments = {"activation_growth": networks, "output_gradients": networks}
    made = validate({"name": "x", "device": "cpu", "recipe": recipe, "experiments": experiments})
    for colour, name in enumerate(experiments):
        for part in ("train", "test"):
            for label in ("one", "two"):
                folder = tmp_path / "pictures" / part / label
                folder.mkdir(parents=True, exist_ok=True)
                for number in range(4):
                    noise = np.random.default_rng([colour, number, len(label)]).integers(0, 256, (16, 16, 3), np.uint8)
                    Image.fromarray(noise).save(folder / f"{number}.png")
        measuring.measure(made, name)
    with pytest.raises(UserError, match="were measured on different images, although their settings are the same"):
        scoring.score(made.results_folder, made)
    assert not (made.results_folder / "scorecard.csv").exists()


def every_claim() -> list[Claim]:
    return [claim for name in catalogue.entries() for claim in scoring.claims_of(name)]


def test_identifiers_are_unique_and_short():
    identifiers = [claim.identifier for claim in every_claim()]
    assert len(identifiers) == len(set(identifiers)) > 20
    assert all(identifier.isidentifier() and identifier.islower() for identifier in identifiers)
    assert max(map(len, identifiers)) <= 40


@pytest.mark.parametrize("claim", every_claim(), ids=lambda claim: claim.identifier)
def test_every_claim_says_what_it_claims_and_why_its_thresholds(claim: Claim):
    assert claim.statement.endswith(".")
    assert claim.source
    assert claim.conditions
    for condition in claim.conditions:
        assert condition.quantity
        assert condition.why.endswith(".")
    dates = [change.date for change in claim.history]
    assert dates == sorted(dates)
    for change in claim.history:
        assert isinstance(change, RuleChange)
        assert change.old
        assert change.reason.endswith(".")
        assert change.outcome_of_old in ("reproduced", "not reproduced", "undecided")
