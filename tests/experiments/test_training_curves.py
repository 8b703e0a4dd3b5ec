import itertools

import numpy as np
import pandas as pd
import pytest

from repro import config, jobs, tables
from repro.errors import UserError
from repro.experiments import training_curves
from repro.training.results import HISTORY_COLUMNS as COLUMNS
from repro.training.results import origins

CONDITIONS = {"batch-0.1": 0.9, "batch-0.0001": 0.7, "none-0.0001": 0.7, "none-0.1": None}


def history(condition: str, final: float | None, seeds: int = 3, epochs: int = 4) -> pd.DataFrame:
    """Accuracies that end at `final` plus a hundredth per seed; None: diverged in the second epoch."""
    normalisation, rate = condition.split("-")
    rows = []
    for seed, epoch in itertools.product(range(seeds), range(1, epochs + 1)):
        if final is None and epoch > 2:
            continue
        accuracy = (final if final is not None else 0.1) * epoch / epochs + 0.01 * seed
        status = "diverged" if final is None else "finished"
        numbers = [float(rate), 1.0, accuracy, 1.0, accuracy, 1.0, 1.0]
        rows.append([condition, normalisation, float(rate), epochs, seed, status, epoch, 10 * epoch, *numbers])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def table(**finals: float | None) -> pd.DataFrame:
    return pd.concat([history(name, final) for name, final in (CONDITIONS | finals).items()], ignore_index=True)


def verdicts(measured: pd.DataFrame) -> list[str]:
    return [claim.decide(measured).outcome for claim in training_curves.CLAIMS]


def test_outcomes_keep_diverged_networks_out_of_accuracies():
    ends = training_curves.outcomes(table())
    assert len(ends) == 12
    lost = ends[ends["condition"] == "none-0.1"]
    assert set(lost["status"]) == {"diverged"}
    assert lost["test_accuracy"].isna().all()


def test_summary_agrees_with_explicit_means():
    summary = training_curves.summarise(table()).set_index("condition")
    finals = [100 * (0.9 + 0.01 * seed) for seed in range(3)]
    assert summary.loc["batch-0.1", "final test %, mean"] == pytest.approx(np.mean(finals))
    assert summary.loc["batch-0.1", "final test %, std"] == pytest.approx(np.std(finals, ddof=1))
    assert summary.loc["none-0.1", ["finished", "diverged"]].tolist() == [0, 3]
    assert np.isnan(summary.loc["none-0.1", "final test %, mean"])


def test_claims_are_decided_both_ways():
    assert verdicts(table()) == ["supported", "supported", "supported"]
    # BN much better at the small rate, no better at the large one, and the large rate trains without BN.
    assert verdicts(table(**{"batch-0.0001": 0.95, "none-0.1": 0.5})) == ["not supported"] * 3
    # A rate beyond the best one, at which BN is worse again, takes nothing from the gain at the best.
    assert verdicts(table(**{"batch-1.0": 0.5})) == ["supported", "supported", "supported"]
    # Nor does one seed that happened to finish at a larger rate make the gain undecidable.
    lucky = pd.concat([table(), history("batch-0.3", 0.99, seeds=1)], ignore_index=True)
    assert verdicts(lucky)[1] == "supported"
    # Networks that all guess are equally good, however exactly.
    chance = table(**{"batch-0.0001": 0.1, "none-0.0001": 0.1})
    assert verdicts(chance.assign(test_accuracy=0.1))[0] == "supported"
    only_one = history("batch-0.1", 0.9)
    assert verdicts(only_one) == ["undecided", "undecided", "undecided"]


def test_figure_shows_every_finished_condition_and_every_divergence():
    figure = training_curves.plot(table())
    train, test, final = figure.axes
    assert len(train.lines) == len(test.lines) == 3
    line = next(line for line in test.lines if str(line.get_label()).startswith("with BN, 0.1"))
    assert line.get_xdata()[-1] == 100
    assert line.get_ydata()[-1] == pytest.approx(91)
    assert "3" in [text.get_text() for text in final.texts]


def test_all_diverged_still_draws():
    figure = training_curves.plot(history("none-0.1", None))
    assert "3" in [text.get_text() for text in figure.axes[2].texts]


def test_measure_reads_what_training_wrote_and_refuses_other_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = {
        "name": "test",
        "training": {"conditions": [{"normalisation": "batch", "learning_rate": 0.1, "epochs": 4}]},
    }
    configuration = config.validate(settings)
    path = tables.results_folder(configuration) / "training" / "batch-0.1.parquet"
    with pytest.raises(UserError, match=r"batch-0\.1\.parquet is missing; train it with"):
        training_curves.measure(configuration)
    written = history("batch-0.1", 0.9)
    provenance = {"settings": jobs.for_condition(configuration, "batch-0.1"), "data": {"checksum": "1"}}
    tables.write(path, written, COLUMNS, provenance)
    pd.testing.assert_frame_equal(training_curves.measure(configuration), written)
    assert "settings" not in origins(configuration)["batch-0.1"]
    tables.write(path, written, COLUMNS, {"settings": {"name": "another"}})
    with pytest.raises(UserError, match="trained under other settings"):
        training_curves.measure(configuration)


def test_conditions_trained_on_different_images_are_no_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    conditions = [{"normalisation": name, "learning_rate": 0.1, "epochs": 4} for name in ("batch", "none")]
    configuration = config.validate({"name": "test", "training": {"conditions": conditions}})

    def trained(condition: str, checksum: str) -> None:
        path = tables.results_folder(configuration) / "training" / f"{condition}.parquet"
        provenance = {"settings": jobs.for_condition(configuration, condition), "data": {"checksum": checksum}}
        tables.write(path, history(condition, 0.9), COLUMNS, provenance | {"device": "a GPU", "revision": checksum})

    trained("batch-0.1", "1")
    trained("none-0.1", "1")
    expected = {"data": {"checksum": "1"}, "device": "a GPU", "revision": "1"}
    assert origins(configuration) == {"batch-0.1": expected, "none-0.1": expected}
    trained("none-0.1", "2")
    with pytest.raises(UserError, match=r"none-0\.1 and batch-0\.1 were trained on different images; `python"):
        origins(configuration)
