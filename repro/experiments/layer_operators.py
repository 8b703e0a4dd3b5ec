"""Every convolution at initialisation as the linear map it is: norm, smallest singular value, condition, rank.

`python -m repro measure layer_operators --config config/quick.yaml`; 2 s per layer on a CPU core.
Section 5 of the paper treats layers as Gaussian matrices. What should come out: norms near 2 with Xavier's
initialisation, the law's right end for a square Gaussian matrix, and condition numbers of 10^4 to 10^6, also for
orthogonal kernels: it is the kernel as a matrix that is orthogonal there, not the convolution.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from repro import datasets, devices, probes, style
from repro.claims import Claim
from repro.config import Configuration
from repro.networks import ResidualNetwork
from repro.progress import track
from repro.random_matrices import effective_rank_of_quadrature, zero_padded_quadrature, zero_padded_spectrum

COLUMNS = {
    "initialisation": "of the kernel",
    "seed": "seed of the network's weights",
    "layer": "convolution by the paper's numbers",
    "channels_in": "input channels",
    "channels_out": "output channels",
    "side": "pixels along a side of the input's grid; outside it the input is zero",
    "stride": "of the convolution",
    "dimension": "number of singular values",
    "norm": "largest singular value",
    "smallest": "smallest singular value; missing where it lies more than five decades below the largest of an "
    "operator that is not square",
    "condition": "their ratio",
    "effective_rank": "exp of the entropy of the shares sigma^2 / sum sigma^2, by stochastic Lanczos quadrature",
    "effective_rank_error": "its standard error over the quadrature's random vectors",
}

PROBES, STEPS = 5, 30  # of the quadrature; they give the effective rank to about half a percent


def measure(configuration: Configuration) -> pd.DataFrame:
    """Singular values of the zero-padded operator of each convolution, one row per initialisation, seed and layer."""
    settings = configuration.experiments.layer_operators
    devices.prepare("cpu")
    data = datasets.load(configuration.data)
    every = range(1, configuration.network.depth)
    layers = every[:: settings.every]
    pieces = [(name, seed) for name in settings.initialisations for seed in range(settings.seeds)]
    rows = []
    for initialisation, seed, layer in track([(*piece, layer) for piece in pieces for layer in layers], "convolutions"):
        if layer == layers[0]:
            network_settings = configuration.network.model_copy(update={"initialisation": initialisation})
            network = ResidualNetwork(network_settings, "none", len(data.class_names), seed)
            images, _ = datasets.mini_batch(data, 1, seed)
            sides = probes.reduce_outputs(network, images, every, lambda output: output.shape[-1])
            sides[0] = images.shape[-1]
        key = {"initialisation": initialisation, "seed": seed, "layer": layer}
        rows.append(key | _operator(network, layer, sides[layer - 1]))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _operator(network: ResidualNetwork, layer: int, side: int) -> dict[str, float]:
    convolution = network.layer(layer)
    weights = convolution.get_parameter("weight").detach().double().numpy()
    assert isinstance(convolution, nn.Conv2d)
    stride = convolution.stride[0]
    quadrature = zero_padded_quadrature(weights, side, stride=stride, probes=PROBES, steps=STEPS)
    rank, error = effective_rank_of_quadrature(quadrature)
    try:
        norm, smallest, condition = zero_padded_spectrum(weights, side, stride=stride)
    except np.linalg.LinAlgError:
        norm, smallest, condition = float(quadrature.nodes.max()), np.nan, np.nan
    return {
        "channels_in": weights.shape[1],
        "channels_out": weights.shape[0],
        "side": side,
        "stride": stride,
        "dimension": quadrature.dimension,
        "norm": norm,
        "smallest": smallest,
        "condition": condition,
        "effective_rank": rank,
        "effective_rank_error": error,
    }


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Medians, smallest and largest values over the layers of one shape, and over seeds; the paper has no numbers."""
    rows = []
    shape = ["initialisation", "channels_in", "channels_out", "side", "stride"]
    for (initialisation, inside, outside, side, stride), group in table.groupby(shape, sort=False):
        cells = {
            name: f"{group[name].median():.3g} ({group[name].min():.3g} to {group[name].max():.3g})"
            for name in ("norm", "smallest", "condition")
        }
        share = group["effective_rank"] / group["dimension"]
        rows.append(
            {
                "initialisation": style.INITIALISATION_NAMES[str(initialisation)],
                "convolution": f"{inside} to {outside} channels, {side} x {side}" + (", stride 2" * (stride == 2)),
                "layers": group["layer"].nunique(),
                **cells,
                "effective rank / dimension": share.median(),
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Norm, condition number and effective rank against the layer, by initialisation; median over seeds."""
    figure, axes = style.panels(1, 3, width=9.0)
    shown = table.assign(rank_share=table["effective_rank"] / table["dimension"])
    for axis, (column, label) in zip(
        axes[0],
        {"norm": "norm", "condition": "condition number", "rank_share": "effective rank / dimension"}.items(),
        strict=True,
    ):
        for initialisation, group in shown.groupby("initialisation", sort=False):
            medians = group.groupby("layer")[column].median()
            name = str(initialisation)
            colour, label_of = style.INITIALISATION_COLOURS[name], style.INITIALISATION_NAMES[name]
            axis.plot(medians.index, medians, "o", ms=2.2, color=colour, label=label_of)
        axis.set(xlabel="layer", ylabel=label)
    axes[0, 1].set_yscale("log")
    axes[0, 0].set_ylim(0, None)
    axes[0, 2].set_ylim(0, 1)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, markerscale=2)
    return figure


CLAIMS: list[Claim] = []  # the paper says nothing of single convolutions
