import pandas as pd
import pytest

from repro.machine.errors import UserError
from repro.results import tables
from repro.settings import configuration
from repro.settings.experiment import HISTORY_COLUMNS
from repro.training.histories import gather
from tests.experiments.training_curves.test_show import history

NAME = "training_curves"


def two_runs(seeds: int = 2) -> configuration.Configuration:
    recipes = [{"learning_rate": 0.1, "epochs": 4}, {"normalisation": "none", "learning_rate": 0.1, "epochs": 4}]
    base = {"epochs": 4}
    return configuration.validate(
        {"name": "test", "recipe": base, "experiments": {NAME: {"recipes": recipes, "seeds": seeds}}}
    )


def write(found: configuration.Configuration, run: str, written: pd.DataFrame, **provenance: object) -> None:
    settings = found.part_of_run(found.run(run))
    provenance = {"data": {"checksum": "1"}} | provenance
    tables.write(found.history_file(run), written, HISTORY_COLUMNS, {"settings": settings} | provenance)


def as_trained(run: str, seeds: int = 2) -> pd.DataFrame:
    return history(f"{run}-0.1", 0.9, seeds).assign(recipe=run)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_histories_come_below_each_other_with_where_they_come_from():
    found = two_runs()
    runs = {run: as_trained(run) for run in ("batch", "none")}
    for run, written in runs.items():
        write(found, run, written, data={"checksum": "1"}, device=f"a GPU for {run}")
    table, origins = gather(found, NAME)
    pd.testing.assert_frame_equal(table, pd.concat(runs.values(), ignore_index=True))
    assert origins == {run: {"data": {"checksum": "1"}, "device": f"a GPU for {run}"} for run in runs}


def test_of_more_seeds_than_an_experiment_asks_for_it_gets_the_first():
    found = two_runs(seeds=1)
    for run in ("batch", "none"):
        write(found, run, as_trained(run, seeds=3))
    table, _ = gather(found, NAME)
    pd.testing.assert_frame_equal(
        table, pd.concat([as_trained(run, seeds=1) for run in ("batch", "none")], ignore_index=True)
    )


def test_what_is_not_trained_or_was_trained_under_other_settings_is_refused():
    found = two_runs()
    with pytest.raises(UserError, match=r"batch\.parquet is missing; train it with `python -m repro train batch`"):
        gather(found, NAME)
    write(found, "batch", as_trained("batch"))
    write(found, "none", as_trained("none"), settings={"name": "another"})
    with pytest.raises(
        UserError, match=r"none\.parquet was trained under other settings; `python -m repro train none`"
    ):
        gather(found, NAME)


def test_runs_on_different_images_are_refused():
    found = two_runs()
    for run, checksum in (("batch", "1"), ("none", "2")):
        write(found, run, as_trained(run), data={"checksum": checksum})
    with pytest.raises(UserError, match="none and batch were trained on different images"):
        gather(found, NAME)
