"""The networks that training keeps at shares of its cycle, and the snapshots that experiments look at."""

import dataclasses

import pytest
import torch

from repro.images.data import ImageData
from repro.machine.errors import UserError
from repro.training import checkpoints, snapshots
from repro.training.network_run import Interrupted, NetworkRun
from repro.training.snapshots import untrained
from tests.training.runs import after, begin, history, kept, recipe, trained

SHARES = (0.1, 0.34, 0.5, 1.0)  # of 4 epochs: after 1, 2, 2 and 4


def run_of(folder, noise, recipe_=None, **others) -> NetworkRun:
    return begin(folder / "a.pt", noise, recipe_ or recipe(epochs=4), keep=SHARES, **others)


def snapshot(run: NetworkRun, noise: ImageData, share: float, recipe_=None, seed=1) -> snapshots.Snapshot | None:
    """What an experiment gets, from what a run has kept."""
    bare = dataclasses.replace(untrained(recipe_ or run.recipe, seed, noise), after=share)
    content = {str(run.seed): checkpoints.read(run.kept(share))}
    return snapshots.load(content, run.kept(share), "batch", bare)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("extra", [{}, {"normalisation": "none"}, {"dropout": 0.3, "place": "after_activation"}])
def test_kept_networks_are_those_of_their_epochs_bit_for_bit(noise, tmp_path, extra):
    chosen = recipe(**{"epochs": 4, "rate": 0.003, **extra})
    run = run_of(tmp_path, noise, chosen)
    found = {}
    end = run.end_epoch
    run.end_epoch = lambda: (end(), found.update({run.position.epoch: weights(run.descent.network)}))  # type: ignore
    trained(run)
    for share, epoch in zip(SHARES, (1, 2, 2, 4), strict=True):
        looked = snapshot(run, noise, share)
        assert looked is not None
        assert same(weights(looked.network), found[epoch])
        assert looked.after == share
        assert looked.network.training
    assert not same(found[1], found[2])


def test_share_0_is_the_untrained_network_and_the_one_that_training_begins_with(noise, tmp_path):
    first = untrained(recipe(), 1, noise)
    assert first.after == 0
    assert same(weights(first.network), weights(run_of(tmp_path, noise).descent.network))
    assert not same(weights(first.network), weights(untrained(recipe(), 2, noise).network))


def test_a_snapshot_has_the_mini_batch_of_its_seed(noise):
    images, labels = untrained(recipe(), 1, noise).mini_batch()
    assert images.shape == (16, 3, 16, 16)
    assert labels.shape == (16,)
    again, _ = untrained(recipe(), 1, noise).mini_batch(5)
    assert torch.equal(again, images[:5])
    assert not torch.equal(untrained(recipe(), 2, noise).mini_batch()[0], images)


def test_a_diverged_network_is_none_from_then_on(noise, tmp_path):
    chosen = recipe("none", 0.003, epochs=4)
    run = run_of(tmp_path, noise, chosen)
    end = run.end_epoch

    def poisoned() -> None:
        end()
        if run.position.epoch == 1:
            with torch.no_grad():
                run.descent.network.classifier.bias[0] = float("inf")

    run.end_epoch = poisoned  # type: ignore[method-assign]
    trained(run)
    assert run.position.status == "diverged"
    assert [snapshot(run, noise, share) is None for share in SHARES] == [False, True, True, True]


@pytest.mark.parametrize("changed", ["recipe", "seed", "after", "images", "missing"])
def test_another_recipe_seed_moment_or_other_images_are_one_sentence(noise, tmp_path, changed):
    run = run_of(tmp_path, noise)
    trained(run)
    expected = snapshot(run, noise, 0.5)
    assert expected is not None
    content = {str(seed): checkpoints.read(run.kept(0.5)) for seed in (1, 2)}
    looked = {
        "recipe": dataclasses.replace(expected, recipe=recipe(epochs=4, momentum=0.8)),
        "seed": dataclasses.replace(expected, seed=2),
        "after": dataclasses.replace(expected, after=0.34),
        "images": dataclasses.replace(expected, data=dataclasses.replace(noise, checksum="1" * 64)),
        "missing": dataclasses.replace(expected, seed=7),
    }[changed]
    with pytest.raises(UserError, match=r"of another recipe, moment or images; .*python -m repro train batch"):
        snapshots.load(content, tmp_path / "after0.5.pt", "batch", looked)


def test_weights_that_do_not_fit_are_one_sentence(noise, tmp_path):
    run = run_of(tmp_path, noise)
    trained(run)
    state = checkpoints.read(run.kept(1.0))
    assert state is not None
    del state["network"]["classifier.bias"]
    bare = dataclasses.replace(untrained(run.recipe, 1, noise), after=1.0)
    with pytest.raises(UserError, match="does not hold the weights of this recipe"):
        snapshots.load({"1": state}, tmp_path / "after1.pt", "batch", bare)


@pytest.mark.parametrize("ending", ["finished", "diverged"])
@pytest.mark.parametrize("lost", [[0.1], [1.0], [0.1, 0.34, 0.5, 1.0]])
def test_a_finished_run_whose_kept_networks_were_deleted_has_them_again_to_the_same_bytes(
    noise, tmp_path, capsys, ending, lost
):
    chosen = recipe(epochs=4) if ending == "finished" else recipe("none", 100.0, epochs=4)
    run = run_of(tmp_path, noise, chosen)
    expected = trained(run)
    assert run.position.status == ending
    files = kept(run)
    assert list(files) == list(SHARES)
    for share in lost:
        run.kept(share).unlink()
    capsys.readouterr()
    again = run_of(tmp_path, noise, chosen)
    said = capsys.readouterr().err
    if ending == "finished":
        assert (
            f"its file ({run.kept(lost[0])}) is missing or damaged, so batch seed 1 is trained from the start" in said
        )
        assert again.position.total_steps == 0
    else:  # that it had diverged by then is all there is to keep: it is never trained again
        assert said == ""
        assert not again.incomplete
    assert str(trained(again)) == str(expected)
    assert kept(again) == files
    assert again.weights_digest() == run.weights_digest()
    assert "missing" not in capsys.readouterr().err
    assert not run_of(tmp_path, noise, chosen).incomplete


def test_a_damaged_kept_network_is_said_and_trained_again(noise, tmp_path, capsys):
    run = run_of(tmp_path, noise)
    trained(run)
    files = kept(run)
    run.kept(0.5).write_bytes(files[0.5][:-1])
    again = run_of(tmp_path, noise)
    assert f"{run.kept(0.5)} is damaged" in capsys.readouterr().err
    assert again.position.total_steps == 0
    trained(again)
    assert kept(again) == files


def test_another_share_to_keep_trains_again_and_a_share_less_does_not(noise, tmp_path):
    run = begin(tmp_path / "a.pt", noise, keep=(0.5, 1.0))
    trained(run)
    assert not begin(tmp_path / "a.pt", noise, keep=(0.5,)).incomplete
    more = begin(tmp_path / "a.pt", noise, keep=(0.3, 0.5, 1.0))
    assert more.position.total_steps == 0
    assert trained(more) == [history(run)]
    assert list(kept(more)) == [0.3, 0.5, 1.0]
    assert kept(run) == {share: kept(more)[share] for share in (0.5, 1.0)}


def test_the_smallest_share_is_kept_after_the_first_epoch(noise, tmp_path):
    run = begin(tmp_path / "a.pt", noise, keep=(1e-12, 1.0))
    trained(run)
    assert list(kept(run)) == [1e-12, 1.0]
    assert not begin(tmp_path / "a.pt", noise, keep=(1e-12, 1.0)).incomplete


@pytest.mark.parametrize("steps", [1, 6, 7])
def test_what_is_kept_by_a_stopped_run_stays_and_is_the_same(noise, tmp_path, steps):
    whole = run_of(tmp_path / "whole", noise)
    trained(whole)
    while (run := run_of(tmp_path / "pieces", noise)).incomplete:
        try:
            trained(run, stop=after(steps))
        except Interrupted:
            assert all(content == kept(whole)[share] for share, content in kept(run).items())
    assert kept(run) == kept(whole)
