"""The study of coupling, from networks and from made-up tables."""

import dataclasses
import itertools

import pandas as pd
import pytest
import torch
from torch.nn import functional

from repro.experiments.layer_coupling import show
from repro.experiments.layer_coupling.measure import layers_of, measure
from repro.experiments.layer_coupling.settings import COLUMNS, Settings
from tests.experiments.tables import PAIR, keyed, measured, overflow, show_and_judge, snapshots


@pytest.mark.parametrize("variation", PAIR)
def test_against_a_loop_in_float64(variation, noise):
    (snapshot,) = snapshots(noise, [variation], seeds=1)
    table = measure(snapshot, Settings(layers=[1, 4, 7]))
    assert (table["learning_rate"] == snapshot.recipe.learning_rate).all()
    images, labels = snapshot.mini_batch()

    def gradients(moved: int | None) -> dict[int, torch.Tensor]:
        network = dataclasses.replace(snapshot).network
        state = {name: value.clone() for name, value in network.state_dict().items()}
        doubled = network.double().train()
        if moved is not None:
            with torch.no_grad():
                kernel = doubled.layer(moved).weight
                kernel -= snapshot.recipe.learning_rate * before[moved]
        loss = functional.cross_entropy(doubled(images.double()), labels)
        found = torch.autograd.grad(loss, [doubled.layer(layer).weight for layer in (1, 4, 7)])
        network.float().load_state_dict(state)
        return dict(zip((1, 4, 7), found, strict=True))

    before = gradients(None)
    for moved in (1, 4, 7):
        after = gradients(moved)
        for layer in (1, 4, 7):
            expected = ((after[layer] - before[layer]).norm() / before[layer].norm()).item()
            row = table[(table["moved"] == moved) & (table["layer"] == layer)]
            assert row["change"].item() == pytest.approx(expected, rel=1e-3), (moved, layer)


def test_measuring_changes_neither_weights_nor_running_averages(noise):
    (snapshot,) = snapshots(noise, [{}], seeds=1)
    before = {name: value.clone() for name, value in snapshot.network.state_dict().items()}
    first, second = (measure(snapshot, Settings()) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert all(torch.equal(before[name], value) for name, value in snapshot.network.state_dict().items())


def test_layers_spread_over_deep_networks():
    assert layers_of(Settings(), 8) == list(range(1, 8))
    spread = layers_of(Settings(), 110)
    assert len(spread) == 10
    assert spread[0] == 1
    assert spread[-1] == 109
    assert layers_of(Settings(layers=[5, 2]), 110) == [2, 5]


def test_overflow_is_a_result(noise, tmp_path):
    networks = snapshots(noise, PAIR, seeds=2)
    overflow(networks)
    table = measured(measure, Settings(layers=[1, 7]), networks)
    summary, cards = show_and_judge("layer_coupling", table, tmp_path)
    assert summary.set_index("recipe").loc["none", "share off the diagonal"] == "-"
    assert cards["verdict"].tolist() == ["undecided"] * 2


def made(off: dict[str, float], seeds: int = 4) -> pd.DataFrame:
    """Changes of 1 on the diagonal and of `off` beside it, a little different for each seed and moment."""
    parts = []
    for kind, after, seed in itertools.product(off, (0.0, 1.0), range(seeds)):
        rows = [
            (0.1, moved, layer, 1.0 if moved == layer else off[kind] * (1 + 0.02 * seed + 0.1 * after))
            for moved, layer in itertools.product((1, 2, 3), repeat=2)
        ]
        parts.append(keyed(pd.DataFrame(rows, columns=list(COLUMNS)), kind, seed, after=after))
    return pd.concat(parts, ignore_index=True)


def test_masses_by_hand():
    found = show.masses(made({"batch": 0.5}, seeds=1)).set_index("after")
    assert found.loc[0.0, "share"] == pytest.approx(6 * 0.5 / (3 + 6 * 0.5))
    assert found.loc[1.0, "others"] == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("off", "verdict"),
    [({"batch": 0.2, "none": 0.5}, "reproduced"), ({"batch": 0.5, "none": 0.2}, "not reproduced")],
)
def test_verdicts(off, verdict, tmp_path):
    summary, cards = show_and_judge("layer_coupling", made(off), tmp_path)
    assert len(summary) == 4
    assert cards["verdict"].tolist() == [verdict] * 2


def test_one_moment_or_one_network_decides_nothing(tmp_path):
    table = made({"batch": 0.2, "none": 0.5})
    _, cards = show_and_judge("layer_coupling", table[table["after"] == 1], tmp_path)
    assert cards["because"].str.contains("two moments of training").all()
    _, cards = show_and_judge("layer_coupling", table[table["normalisation"] == "batch"], tmp_path)
    assert cards["verdict"].tolist() == ["undecided"] * 2


def test_a_layer_that_is_none_is_refused():
    with pytest.raises(ValueError, match="layers"):
        Settings(layers=[1])
