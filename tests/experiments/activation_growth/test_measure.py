import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from repro.experiments.activation_growth.measure import measure
from repro.experiments.activation_growth.settings import COLUMNS, Settings
from repro.experiments.activation_growth.show import log_moments
from repro.instruments import probes
from repro.networks.residual import ResidualNetwork
from repro.settings.recipe import Recipe
from repro.training.snapshots import untrained
from tests.experiments.tables import THREE, keyed, measured, overflow, show_and_judge, snapshots
from tests.oracles import channels as oracle

NAME = "activation_growth"


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (6, 3)])
def test_moments_agree_with_loops(shape):
    output = 5 + 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    means, variances = probes.channel_moments(output)
    images = output.double().numpy().reshape(*shape, *([1] * (4 - len(shape))))
    for channel in range(shape[1]):
        mean, variance = oracle.moments(images, channel)
        assert means[channel].item() == pytest.approx(mean, rel=1e-13)
        assert variances[channel].item() == pytest.approx(variance, rel=1e-12)


class OfLevels(ResidualNetwork):
    """Sees two images of its own in place of those it is shown: each channel has one level, the same at every pixel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        levels = torch.tensor([[1.0, 4.0, 0.0], [3.0, 4.0, 8.0]])  # (image, channel)
        return super().forward(levels[:, :, None, None].expand(2, 3, 8, 8))


def test_moments_of_a_network_made_by_hand(noise):
    # Kernels that copy their input: every block doubles its input, which is nowhere negative, and the moments follow.
    recipe = Recipe(depth=8, normalisation="none", batch_size=2)
    network = OfLevels(recipe, 3, seed=0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight)
    nn.init.eye_(network.classifier.weight)
    nn.init.zeros_(network.classifier.bias)
    snapshot = dataclasses.replace(untrained(recipe, 0, noise), network=network)
    table = measure(snapshot, Settings())
    for row in table.itertuples():
        factor = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8}[row.layer]
        mean, variance = [(2, 1), (4, 0), (4, 16)][row.channel] if row.channel < 3 else (0, 0)
        assert row.mean == pytest.approx(factor * mean)
        assert row.variance == pytest.approx(factor**2 * variance)
    assert table.groupby("layer").size().tolist() == [16, 16, 16, 32, 32, 64, 64, 3]
    values = log_moments(keyed(table, "none")).set_index(["layer", "moment"])["value"]
    # channels that are zero, or constant, have no logarithm: means 2, 4, 4 and deviations 1, 4 times the factor remain
    assert values[6, "mean"] == pytest.approx(np.log(4) + np.log(32) / 3)
    assert values[6, "standard deviation"] == pytest.approx(np.log(4) + np.log(4) / 2)


def test_a_trained_network_of_another_recipe_is_measured_by_its_own_weights(noise):
    recipe = Recipe(depth=14, batch_size=16)
    trained = dataclasses.replace(untrained(recipe, 1, noise), after=0.5)
    with torch.no_grad():
        for parameter in trained.network.parameters():
            parameter.mul_(2)
    table = measure(trained, Settings())
    assert list(table.columns) == list(COLUMNS)
    assert table["layer"].unique().tolist() == list(range(1, 15))
    images, _ = trained.mini_batch()
    assert len(images) == 16
    first = probes.layer_outputs(untrained(recipe, 1, noise).network, images, [1])[1].double()
    own = table[table["layer"] == 1]
    assert own["mean"].tolist() == pytest.approx((2 * first.mean(dim=(0, 2, 3))).tolist())


def test_whole_path(noise, tmp_path):
    _, verdicts = show_and_judge(NAME, measured(measure, Settings(), snapshots(noise)), tmp_path)
    assert verdicts["p_value"].notna().all()


def test_whole_path_with_three_recipes_and_two_moments(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary[["recipe", "after"]].drop_duplicates()) == 6
    assert verdicts["because"].tolist() == ["it takes one untrained recipe with BN and one without"]


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    lost = ~np.isfinite(table["variance"])
    assert set(table.loc[lost, "normalisation"]) == {"none"}
    assert (table.loc[lost, "layer"] > 1).all()
    _, verdicts = show_and_judge(NAME, table, tmp_path)
    assert verdicts["verdict"].tolist() == ["undecided"]
    assert verdicts["because"].tolist() == ["activations overflowed"]
