"""Which runs share a job, and what an experiment looks at."""

import pytest

from repro.machine.errors import UserError
from repro.settings.configuration import Configuration, load, validate
from repro.workflow import jobs
from tests.workflow.conftest import ROOT


def configuration(device: str, networks_at_once: int | None) -> Configuration:
    epochs = {("batch", 0.1): 2, ("batch", 0.01): 9, ("none", 0.1): 2, ("none", 0.01): 9, ("batch", 0.02): 3}
    recipes = [
        {"normalisation": kind, "learning_rate": rate, "epochs": count} for (kind, rate), count in epochs.items()
    ]
    settings = {"training_curves": {"seeds": 3, "recipes": recipes}}
    training = {"networks_at_once": networks_at_once}
    base = {"epochs": 2}
    return validate({"name": "x", "device": device, "recipe": base, "training": training, "experiments": settings})


FIRST, SECOND, THIRD = ["batch", "none"], "batch-lr0.02-epochs3", ["batch-lr0.01-epochs9", "none-lr0.01-epochs9"]


@pytest.mark.parametrize("networks_at_once", [None, 1, 3, 5])
def test_runs_are_trained_alone_where_there_is_no_room_for_two(networks_at_once: int | None):
    alone = [[name] for name in (*FIRST, SECOND, *THIRD)]
    assert jobs.trained_together(configuration("cuda", networks_at_once)) == alone


def test_runs_of_like_lengths_fill_a_gpu():
    assert jobs.trained_together(configuration("cuda", 8)) == [FIRST, [SECOND, THIRD[0]], [THIRD[1]]]
    assert jobs.trained_together(configuration("auto", 100)) == [[*FIRST, SECOND, *THIRD]]
    assert all(len(group) == 1 for group in jobs.trained_together(configuration("cpu", 100)))


def test_runs_that_are_named_are_grouped_without_the_others():
    assert jobs.trained_together(configuration("cuda", 8), [SECOND, *FIRST]) == [FIRST, [SECOND]]
    assert jobs.trained_together(configuration("cuda", 8), [THIRD[1], SECOND]) == [[SECOND, THIRD[1]]]
    with pytest.raises(UserError, match=r"trains 'batch-7'; they train batch, "):
        jobs.trained_together(configuration("cuda", 8), ["batch", "batch-7"])


def test_a_job_has_no_more_networks_than_a_gpu_has_streams():
    recipes = [{"learning_rate": rate} for rate in (0.1, 0.2, 0.3, 0.4)]
    settings = {"training_curves": {"seeds": 10, "recipes": recipes}}
    many = validate({"name": "x", "training": {"networks_at_once": 1000}, "experiments": settings})
    assert [len(group) for group in jobs.trained_together(many)] == [3, 1]


def test_what_takes_the_longest_comes_first():
    assert jobs.longest_first(configuration("cpu", None)) == [[name] for name in (*THIRD, SECOND, *FIRST)]
    assert jobs.longest_first(configuration("cpu", None), [*FIRST, SECOND]) == [[SECOND], *([each] for each in FIRST)]
    # On a GPU 9 + 3 epochs of three networks each, 9, and 2 + 2.
    assert jobs.longest_first(configuration("cuda", 8)) == [[SECOND, THIRD[0]], [THIRD[1]], FIRST]


def test_what_trains_nothing_is_one_sentence():
    alone = validate({"name": "x", "experiments": {"limiting_spectrum": {}}})
    with pytest.raises(UserError, match="trains anything; choose another one with --config"):
        jobs.longest_first(alone)


def test_runs_of_different_precision_do_not_share_a_job():
    recipes = [{}, {"precision": "tf32"}, {"normalisation": "none"}]
    settings = {"training_curves": {"seeds": 1, "recipes": recipes}}
    mixed = validate({"name": "x", "training": {"networks_at_once": 9}, "experiments": settings})
    assert jobs.trained_together(mixed) == [["batch", "none"], ["batch-tf32"]]


def test_what_an_experiment_looks_at():
    settings = {
        "activation_growth": {"seeds": 2},
        "channel_gradients": {"after": [0.0, 0.5], "recipes": [{}, {"images": {"train_images": 100}}]},
    }
    chosen = validate({"name": "x", "experiments": settings})
    images = jobs.images(chosen)
    assert [each.train_images for each in images.values()] == [None, 100]
    all_images, few_images = (f"results/x/images/{digest}.json" for digest in images)
    assert [str(path) for path in jobs.looked_at(chosen, "activation_growth")] == [all_images]
    assert [str(path) for path in jobs.looked_at(chosen, "channel_gradients")] == [
        all_images,
        "results/x/training/batch.parquet",
        "results/x/networks/batch/after0.5.pt",
        few_images,
        "results/x/training/batch-train100.parquet",
        "results/x/networks/batch-train100/after0.5.pt",
    ]


def test_ten_gpus_train_the_papers_grid_as_early_as_thirteen():
    """The longest six runs have 12,000 of the 100,875 network-epochs each."""
    runs = load([str(ROOT / "config" / "paper.yaml")]).runs.values()
    epochs = sorted((run.recipe.epochs * run.seeds for run in runs), reverse=True)

    def finish(gpus: int) -> int:
        """Epochs until the last GPU is done, the longest run first."""
        loads = [0] * gpus
        for job in epochs:
            loads[loads.index(min(loads))] += job
        return max(loads)

    assert (epochs.count(12_000), epochs[0], sum(epochs)) == (6, 12_000, 100_875)
    assert finish(9) > finish(10) == finish(13) == epochs[0]
