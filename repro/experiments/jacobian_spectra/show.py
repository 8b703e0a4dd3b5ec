"""Jacobians with depth: figure and numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repro.random_matrices import effective_rank_of_quadrature, singular_value_law
from repro.random_matrices.lanczos import SpectralQuadrature
from repro.results import looks, style
from repro.results.cases import Case
from repro.results.initialisations import by_initialisation

NODES = ["probe", "singular_value", "weight", "bound"]


def per_network(table: pd.DataFrame) -> pd.DataFrame:
    """One row per network and layer, with what the quadrature says of the whole spectrum.

    Adds `largest`, the largest singular value found, and `largest_bound`; `root_mean_square` of the singular values;
    `effective_rank` (exp of the entropy of the shares sigma^2 / sum sigma^2) and `rank_error`, its standard error over
    the probes; `stable_rank`, sum sigma^2 / largest^2; `smallest`, the smallest value found. That is the smallest
    singular value where there are no more of them than Lanczos steps, as at the logits, and an upper bound elsewhere.
    `logits` says whether the map ends there.
    """
    rows = []
    keys = [name for name in table.columns if name not in NODES]
    for values, nodes in table.groupby(keys, sort=False, dropna=False):
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
    networks = pd.DataFrame(rows)
    last = networks.groupby("recipe")["layer"].transform("max")
    return networks.assign(logits=networks["layer"] == last)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds after the last block and at the logits; the paper has no numbers."""
    networks = per_network(table)
    rows = []
    for case in by_initialisation(table):
        own = case.rows(networks)
        last = own.loc[~own["logits"], "layer"].max()
        for layer, group in own[own["logits"] | (own["layer"] == last)].groupby("layer"):
            rows.append(
                {
                    "recipe": case.recipe,
                    "after": case.after,
                    "initialisation": looks.initialisation(group["initialisation"].iloc[0]).name,
                    "map ends at": "logits" if group["logits"].all() else f"layer {layer}",
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
    states = networks[~networks["logits"]]
    states = states.assign(log_largest=np.log10(states["largest"]))
    compared = by_initialisation(table)
    figure, axes = style.panels(2, 2, height=5.4)
    labels = {
        "log_std": r"$\ln\,\sigma_c$ of the layer's output",
        "log_largest": r"$\log_{10}$ largest singular value",
        "effective_rank": "effective rank",
    }
    for axis, (column, label) in zip(axes.flat, labels.items(), strict=False):
        for case in reversed(compared):  # the first lies on top
            levels = case.rows(states).groupby("layer")[column].agg(["median", "min", "max"])
            axis.plot(levels.index, levels["median"], f".{case.line}", color=case.colour, lw=1.2, ms=4)
            axis.fill_between(levels.index, levels["min"], levels["max"], color=case.colour, alpha=0.15, lw=0)
        axis.set(xlabel="layer", ylabel=label)
    axes[1, 0].set_yscale("log")
    _last_spectra(axes[1, 1], table, states, compared)
    seeds = table["seed"].nunique()
    title = f"median and range of {seeds} seeds" if seeds > 1 else "one seed"
    figure.legend(handles=_legend(table, compared), loc="outside upper center", ncols=4, title=title, title_fontsize=8)
    return figure


def _legend(table: pd.DataFrame, compared: list[Case]) -> list[Line2D]:
    """Initialisations by colour and normalisations by line, or each case where these do not tell them apart."""
    pairs = table[["initialisation", "normalisation"]].drop_duplicates()
    if len(compared) > len(pairs):
        handles = [Line2D([], [], color=case.colour, ls=case.line, label=case.label) for case in compared]
    else:
        kinds = [looks.initialisation(kind) for kind in table["initialisation"].unique()]
        handles = [Line2D([], [], color=look.colour, label=look.name) for look in kinds]
        lines = {looks.normalisation(case.normalisation).name: case.line for case in compared}
        handles += [Line2D([], [], color="0.3", ls=line, label=name) for name, line in lines.items()]
    return [*handles, Line2D([], [], color="0.5", ls=":", label="Theorem 1, M factors")]


def _last_spectra(axis: Axes, table: pd.DataFrame, states: pd.DataFrame, compared: list[Case]) -> None:
    """Share of singular values above sigma / root mean square, mean over seeds, beside products of square matrices.

    Below the root mean square few Lanczos steps do not resolve it.
    """
    grid = np.logspace(0, 1.5, 61)
    last = states.groupby("recipe")["layer"].max()
    for case in reversed(compared):
        nodes = case.rows(table)
        shares = []
        for _, own in nodes[nodes["layer"] == last[case.recipe]].groupby("seed"):
            sigma, weight = own["singular_value"].to_numpy(), own["weight"].to_numpy()
            sigma = sigma / np.sqrt(np.average(sigma**2, weights=weight))
            shares.append([weight[sigma > place].sum() / weight.sum() for place in grid])
        axis.plot(grid, np.mean(shares, axis=0), case.line, color=case.colour, lw=1.1)
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
    layers = "/".join(str(layer) for layer in sorted(last.unique()))
    axis.set(xscale="log", yscale="log", ylim=(2e-4, 1))
    axis.set(xlabel="singular value / root mean square", ylabel=f"share above, state after layer {layers}")
