"""Section 5's link, measured: singular values of the network's input-output Jacobian with depth, and initialisations.

`python -m repro measure jacobian_spectra --config config/quick.yaml`; half a minute per network on a CPU core.
The paper argues from products of random matrices that networks are ill-conditioned at initialisation; here the
Jacobian of the real network is examined, from one image to the state after a block, through its products only.
What should come out: the deeper the state, the fewer directions carry the Jacobian, with BN as well as without; at the
logits nearly all ten directions are left with BN, two or three without. BN makes the Jacobian grow with depth at a
rate that does not depend on the initialisation's scale; without BN it grows, or shrinks, with that scale.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro import probes, style
from repro.claims import Claim, Verdict, verdict
from repro.config import Configuration
from repro.experiments.initialisation import Subject, with_each_initialisation
from repro.jacobians import jacobian, with_fixed_statistics
from repro.layers import equivalent_layer
from repro.random_matrices import effective_rank_of_quadrature, singular_value_law, spectral_quadrature
from repro.random_matrices.lanczos import SpectralQuadrature

COLUMNS = {
    "initialisation": "of every convolution",
    "normalisation": "`batch` or `none`; BN's statistics are those of the mini-batch, held fixed",
    "seed": "seed of the network's weights and of its mini-batch, whose first image is the input",
    "layer": "the map ends at the state after this layer's block; the last layer: at the logits",
    "log_std": "mean over channels of ln(standard deviation) of this layer's raw output over the mini-batch (Figure 5)",
    "dimension": "number of singular values, the smaller side of the Jacobian",
    "probe": "random start vector of the stochastic Lanczos quadrature",
    "singular_value": "node of the quadrature",
    "weight": "the node's share of all singular values; the weights of a probe add up to 1",
    "bound": "within this distance of the node some singular value surely lies",
}

PAPER_LAYERS = (1, 13, 25, 37, 49, 61, 73, 91, 109)
NODES = ["probe", "singular_value", "weight", "bound"]
LINES = {"batch": "-", "none": "--"}


def measure(configuration: Configuration) -> pd.DataFrame:
    """Extreme singular values and spectral quadrature of each Jacobian, one row per quadrature node."""
    settings = configuration.experiments.jacobian_spectra
    depth = configuration.network.depth
    layers = [*sorted({equivalent_layer(layer, depth) for layer in PAPER_LAYERS[:: settings.every]}), depth]
    parts = []
    for initialisation, subject in with_each_initialisation(configuration, settings.initialisations, settings.seeds):
        for layer, part in _spectra(subject, layers, settings.probes, settings.steps).items():
            key = {"initialisation": initialisation, "normalisation": subject.normalisation, "seed": subject.seed}
            parts.append(part.assign(**key, layer=layer))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _spectra(subject: Subject, layers: list[int], probe_count: int, steps: int) -> dict[int, pd.DataFrame]:
    """Per layer a table of quadrature nodes, with the other quantities repeated in each row."""
    moments = probes.reduce_outputs(subject.network, subject.images, layers, probes.channel_moments)
    fixed = with_fixed_statistics(subject.network, subject.images)
    found = {}
    for layer in layers:
        operator = jacobian(fixed, subject.images[0], layer)
        dimension = min(operator.shape)
        limit = min(steps, dimension)
        quadrature = spectral_quadrature(operator, probes=probe_count, steps=limit, seed=subject.seed)
        _, variance = moments[layer]
        found[layer] = pd.DataFrame(
            {
                "log_std": float(0.5 * variance.log().mean()),
                "dimension": dimension,
                "probe": np.repeat(np.arange(probe_count), limit),
                "singular_value": quadrature.nodes.ravel(),
                "weight": quadrature.weights.ravel(),
                "bound": quadrature.bounds.ravel(),
            }
        )
    return found


def per_network(table: pd.DataFrame) -> pd.DataFrame:
    """One row per initialisation, normalisation, seed and layer, with what the quadrature says of the whole spectrum.

    Adds `largest`, the largest singular value found, and `largest_bound`; `root_mean_square` of the singular values;
    `effective_rank` (exp of the entropy of the shares sigma^2 / sum sigma^2) and `rank_error`, its standard error over
    the probes; `stable_rank`, sum sigma^2 / largest^2; `smallest`, the smallest value found. That is the smallest
    singular value where there are no more of them than Lanczos steps, as at the logits, and an upper bound elsewhere.
    """
    rows = []
    keys = [name for name in COLUMNS if name not in NODES]
    for values, nodes in table.groupby(keys, sort=False):
        row = dict(zip(keys, values, strict=True))
        count = nodes["probe"].nunique()
        values_found, weights, bounds = (
            nodes[name].to_numpy().reshape(count, -1) for name in ("singular_value", "weight", "bound")
        )
        quadrature = SpectralQuadrature(values_found, weights, bounds, dimension=int(row["dimension"]))
        rank, error = effective_rank_of_quadrature(quadrature)
        mean_square, _ = quadrature.mean(np.square)
        largest = quadrature.nodes.argmax()
        row |= {"largest": quadrature.nodes.flat[largest], "largest_bound": quadrature.bounds.flat[largest]}
        row |= {"root_mean_square": np.sqrt(mean_square), "effective_rank": rank, "rank_error": error}
        row["smallest"] = quadrature.nodes[quadrature.weights > 0].min()
        row["stable_rank"] = quadrature.dimension * mean_square / row["largest"] ** 2
        rows.append(row)
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds after the last block and at the logits; the paper has no numbers."""
    networks = per_network(table)
    depth = networks["layer"].max()
    last = networks.loc[networks["layer"] < depth, "layer"].max()
    rows = []
    chosen = networks[networks["layer"].isin([last, depth])]
    for (initialisation, normalisation, layer), group in chosen.groupby(
        ["initialisation", "normalisation", "layer"], sort=False
    ):
        rows.append(
            {
                "initialisation": style.INITIALISATION_NAMES[str(initialisation)],
                "normalisation": normalisation,
                "map ends at": "logits" if layer == depth else f"layer {layer}",
                "ln std of activations": group["log_std"].median(),
                "largest singular value": group["largest"].median(),
                "smallest, at most": group["smallest"].median(),
                "root mean square": group["root_mean_square"].median(),
                "effective rank": group["effective_rank"].median(),
                "stable rank": group["stable_rank"].median(),
                "of": group["dimension"].iloc[0],
            }
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """With depth: activations (Figure 5), largest singular value, effective rank; and the last block's spectrum."""
    networks = per_network(table)
    states = networks[networks["layer"] < networks["layer"].max()]
    figure, axes = style.panels(2, 2, height=5.4)
    states = states.assign(log_largest=np.log10(states["largest"]))
    for axis, (column, label) in zip(
        axes.flat,
        {
            "log_std": r"$\ln\,\sigma_c$ of the layer's output",
            "log_largest": r"$\log_{10}$ largest singular value",
            "effective_rank": "effective rank",
        }.items(),
        strict=False,
    ):
        for (initialisation, normalisation), group in states.groupby(["initialisation", "normalisation"]):
            levels = group.groupby("layer")[column].agg(["median", "min", "max"])
            colour = style.INITIALISATION_COLOURS[str(initialisation)]
            axis.plot(levels.index, levels["median"], f".{LINES[str(normalisation)]}", color=colour, lw=1.2, ms=4)
            axis.fill_between(levels.index, levels["min"], levels["max"], color=colour, alpha=0.15, lw=0)
        axis.set(xlabel="layer", ylabel=label)
    axes[1, 0].set_yscale("log")
    _last_spectrum(axes[1, 1], table, int(states["layer"].max()))
    present = [name for name in style.INITIALISATION_NAMES if name in set(table["initialisation"])]
    handles = [
        Line2D([], [], color=style.INITIALISATION_COLOURS[name], label=style.INITIALISATION_NAMES[name])
        for name in present
    ]
    handles += [Line2D([], [], color="0.3", ls=line, label=style.NAMES[name]) for name, line in LINES.items()]
    handles.append(Line2D([], [], color="0.5", ls=":", label="Theorem 1, M factors"))
    seeds = table["seed"].nunique()
    title = f"median and range of {seeds} seeds" if seeds > 1 else "one seed"
    figure.legend(handles=handles, loc="outside upper center", ncols=4, title=title, title_fontsize=8)
    return figure


def _last_spectrum(axis: Axes, table: pd.DataFrame, layer: int) -> None:
    """Share of singular values above sigma / root mean square, mean over seeds, beside products of square matrices.

    Below the root mean square few Lanczos steps do not resolve it.
    """
    grid = np.logspace(0, 1.5, 61)
    for (initialisation, normalisation), nodes in table[table["layer"] == layer].groupby(
        ["initialisation", "normalisation"]
    ):
        shares = []
        for _, own in nodes.groupby("seed"):
            sigma, weight = own["singular_value"].to_numpy(), own["weight"].to_numpy()
            sigma = sigma / np.sqrt(np.average(sigma**2, weights=weight))
            shares.append([weight[sigma > place].sum() / weight.sum() for place in grid])
        colour = style.INITIALISATION_COLOURS[str(initialisation)]
        axis.plot(grid, np.mean(shares, axis=0), LINES[str(normalisation)], color=colour, lw=1.1)
    for factors in (1, 5, 25):
        share = singular_value_law.sf(grid, factors)  # root mean square 1
        axis.plot(grid, share, ":", color="0.5", lw=1)
        place = int(np.argmax(share < 4e-4))
        axis.annotate(
            f"M = {factors}",
            (grid[place], 3e-4),
            fontsize=6,
            color="0.4",
            ha="right",
            bbox={"fc": "white", "ec": "none", "pad": 0.5, "alpha": 0.8},
        )
    axis.set(xscale="log", yscale="log", ylim=(2e-4, 1))
    axis.set(xlabel="singular value / root mean square", ylabel=f"share above, state after layer {layer}")


def _paired(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """For the first initialisation, per seed with and without BN: the logits' row and those of all states by layer."""
    networks = per_network(table)
    own = networks[networks["initialisation"] == networks["initialisation"].iloc[0]]
    depth = own["layer"].max()
    quantities = ["effective_rank", "largest"]
    logits = own[own["layer"] == depth].pivot(index="seed", columns="normalisation", values=quantities)
    states = own[own["layer"] < depth].pivot(index="seed", columns=["normalisation", "layer"], values=quantities)
    return logits, states


def _logits_keep_more_with(table: pd.DataFrame) -> Verdict:
    logits, _ = _paired(table)
    ranks = logits["effective_rank"]
    text = (
        f"effective rank of the logits' Jacobian, median of {len(ranks)} seed(s): "
        f"{ranks['batch'].median():.1f} with BN, {ranks['none'].median():.1f} without"
    )
    return verdict(bool((2 * ranks["none"] < ranks["batch"]).all()), text)


def _states_keep_more_with(table: pd.DataFrame) -> Verdict:
    _, states = _paired(table)
    ranks = states["effective_rank"]
    last = max(ranks["batch"].columns)
    text = (
        f"effective rank of the Jacobian of the state after layer {last}, median of {len(ranks)} seed(s): "
        f"{ranks['batch'][last].median():.0f} with BN, {ranks['none'][last].median():.0f} without"
    )
    return verdict(bool((2 * ranks["none"][last] < ranks["batch"][last]).all()), text)


def _rank_falls(table: pd.DataFrame) -> Verdict:
    _, states = _paired(table)
    ranks = states["effective_rank"]["none"]
    if ranks.shape[1] < 2:
        return verdict(None, "one layer only")
    text = ", ".join(f"{ranks[layer].median():.0f} after layer {layer}" for layer in ranks.columns)
    return verdict(
        bool((ranks.diff(axis=1).iloc[:, 1:] < 0).all(axis=None)), f"without BN, median of {len(ranks)} seed(s): {text}"
    )


def _grows_less_with(table: pd.DataFrame) -> Verdict:
    _, states = _paired(table)
    logarithms = np.log10(states["largest"])
    layers = logarithms["batch"].columns
    if len(layers) < 2:
        return verdict(None, "one layer only")
    rise = {name: logarithms[name][layers[-1]] - logarithms[name][layers[0]] for name in ("batch", "none")}
    text = (
        f"from layer {layers[0]} to {layers[-1]} by {rise['batch'].median():.1f} decades with BN, "
        f"{rise['none'].median():.1f} without, medians of {len(logarithms)} seed(s)"
    )
    return verdict(bool((rise["batch"] < rise["none"]).all()), text)


SOURCE = "Section 5 (argued there, not measured)"
CLAIMS = [
    Claim(
        "As in a product of random matrices, the deeper the network the fewer directions carry its Jacobian: without "
        "BN the effective rank falls from each state examined to the next, in every seed.",
        SOURCE,
        _rank_falls,
    ),
    Claim(
        "BN makes the input-output map better conditioned: the effective rank of the logits' Jacobian is more than "
        "twice that without BN, in every seed.",
        SOURCE,
        _logits_keep_more_with,
    ),
    Claim(
        "It does so inside the network: the same holds of the state after the last block examined.",
        SOURCE,
        _states_keep_more_with,
    ),
    Claim(
        "BN keeps the Jacobian from growing with depth: its largest singular value rises less with BN than without, in "
        "every seed.",
        SOURCE,
        _grows_less_with,
    ),
]
