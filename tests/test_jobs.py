"""What jobs are given, and which conditions share one."""

import json
from pathlib import Path

import pytest

from repro import config, jobs
from repro.errors import UserError

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", config.experiment_names())
def test_a_slice_alone_gives_the_same_slice(name: str):
    """What a job is given is all it needs: the workflow passes slices on as configurations."""
    configuration = config.load([str(ROOT / "config/quick.yaml")])
    part = jobs.for_experiment(configuration, name)
    assert jobs.for_experiment(config.load([json.dumps(part)]), name) == part


def test_the_slices_of_conditions_and_data_stand_alone():
    configuration = config.load([str(ROOT / "config/paper.yaml")])
    part = jobs.for_data(configuration)
    assert jobs.for_data(config.load([json.dumps(part)])) == part
    for condition in configuration.training.conditions:
        part = jobs.for_condition(configuration, condition.name)
        assert [entry["learning_rate"] for entry in part["training"]["conditions"]] == [condition.learning_rate]
        assert jobs.for_condition(config.load([json.dumps(part)]), condition.name) == part


def test_the_slices_of_training_and_of_its_measurement_agree():
    """`training_curves` compares what was trained with its own settings."""
    configuration = config.load([str(ROOT / "config/quick.yaml")])
    measured = config.load([json.dumps(jobs.for_experiment(configuration, "training_curves"))])
    for condition in configuration.training.conditions:
        trained = jobs.for_condition(configuration, condition.name)
        assert jobs.for_condition(measured, condition.name) == trained


def test_a_job_that_trains_several_conditions_is_given_these_in_order():
    configuration = config.load([str(ROOT / "config/paper.yaml")])
    part = jobs.for_condition(configuration, "none-0.003", ["batch-0.1", "final-0.03"])
    given = config.load([json.dumps(part)])
    assert [condition.name for condition in given.training.conditions] == ["none-0.003", "batch-0.1", "final-0.03"]
    # Each is then known by the settings under which it is trained alone.
    for name in ("none-0.003", "batch-0.1"):
        assert jobs.for_condition(given, name) == jobs.for_condition(configuration, name)


def test_an_unknown_condition_is_named_with_those_there_are():
    configuration = config.validate({"name": "x"})
    for name, beside in (("batch-7", ()), ("batch-0.1", ("batch-7",))):
        with pytest.raises(UserError, match=r"no condition 'batch-7'.*it has batch-0\.1, "):
            jobs.for_condition(configuration, name, beside)


def together(device: str, networks_at_once: int | None) -> list[list[str]]:
    epochs = {"batch-0.1": 2, "batch-0.01": 9, "none-0.1": 2, "none-0.01": 9, "final-0.01": 3}
    conditions = [
        {"normalisation": name.split("-")[0], "learning_rate": float(name.split("-")[1]), "epochs": count}
        for name, count in epochs.items()
    ]
    training = {"seeds": 3, "networks_at_once": networks_at_once, "conditions": conditions}
    return jobs.trained_together(config.validate({"name": "x", "device": device, "training": training}))


@pytest.mark.parametrize("networks_at_once", [None, 1, 3, 5])
def test_conditions_are_trained_alone_where_there_is_no_room_for_two(networks_at_once: int | None):
    alone = [["batch-0.1"], ["none-0.1"], ["final-0.01"], ["batch-0.01"], ["none-0.01"]]
    assert together("cuda", networks_at_once) == alone


def test_conditions_of_like_lengths_fill_a_gpu():
    assert together("cuda", 8) == [["batch-0.1", "none-0.1"], ["final-0.01", "batch-0.01"], ["none-0.01"]]
    assert together("auto", 100) == [["batch-0.1", "none-0.1", "final-0.01", "batch-0.01", "none-0.01"]]
    assert all(len(group) == 1 for group in together("cpu", 100))
