import math

import numpy as np
import torch

from repro.experiments.activation_growth import measure as figure_5
from repro.experiments.activation_growth.settings import Settings as Figure5Settings
from repro.experiments.activation_growth.show import log_moments
from repro.experiments.activations_in_training.measure import measure
from repro.experiments.activations_in_training.settings import COLUMNS, Settings
from repro.settings.configuration import validate
from tests.experiments.tables import THREE, measured, overflow, show_and_judge, snapshots

NAME = "activations_in_training"


def test_values_are_figure_5s(noise):
    networks = snapshots(noise, THREE, seeds=2)
    table = measured(measure, Settings(), networks)
    values = log_moments(measured(figure_5.measure, Figure5Settings(), networks))
    for moment, column in (("mean", "log_mean"), ("standard deviation", "log_standard_deviation")):
        expected = values[values["moment"] == moment]
        assert table[["recipe", "seed", "layer"]].to_numpy().tolist() == (
            expected[["recipe", "seed", "layer"]].to_numpy().tolist()
        )
        np.testing.assert_allclose(table[column], expected["value"], rtol=1e-12)


def test_a_dead_channel_is_left_out(noise):
    (network,) = snapshots(noise, [{"normalisation": "none"}], seeds=1, after=[0.5])
    with torch.no_grad():
        network.network.convolution1.weight[0] = 0
    table = measure(network, Settings())
    assert list(table.columns) == list(COLUMNS)
    assert math.isfinite(table["log_mean"][0])
    with torch.no_grad():
        network.network.convolution1.weight.zero_()
    assert math.isnan(measure(network, Settings())["log_mean"][0])


def test_whole_path(noise, tmp_path):
    table = measured(measure, Settings(), snapshots(noise, THREE, seeds=2, after=(0.0, 0.5)))
    summary, verdicts = show_and_judge(NAME, table, tmp_path)
    assert len(summary) == 6
    assert verdicts.empty


def test_overflow_stays_in_the_table(noise, tmp_path):
    networks = snapshots(noise, seeds=1)
    overflow(networks)
    table = measured(measure, Settings(), networks)
    assert table.loc[table["normalisation"] == "none", "log_standard_deviation"].iloc[3:].isna().all()
    assert table.loc[table["normalisation"] == "batch", "log_standard_deviation"].notna().all()
    show_and_judge(NAME, table, tmp_path)


def test_trainings_are_shared_with_figure_1():
    experiments = {NAME: {}, "training_curves": {}}
    configuration = validate({"name": "trial", "experiments": experiments})
    own = configuration.recipes_of(NAME)
    assert set(own) <= set(configuration.recipes_of("training_curves"))
    assert configuration.settings_of(NAME).seeds == configuration.settings_of("training_curves").seeds
