"""Internal covariate shift: drifts from moments, figure and numbers."""

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from repro.results import statistics, style
from repro.results.cases import cases
from repro.results.claims import Undecided
from repro.results.pairs import log_ratios, pair, side_by_side
from repro.settings.experiment import NETWORK_COLUMNS

NETWORK = ["recipe", "normalisation", "seed"]  # one network at all moments
DRIFTS = {
    "mean_drift": "drift of the inputs' means",
    "deviation_drift": "drift of the inputs' ln(deviation)",
}
SHIFTS = {
    "relative_change": "|G - G'| / |G|",
    "cosine_gap": "1 - cosine of G and G'",
}
WITHIN = ["layer", "after"]  # what is compared: the same layer, at the same moment


def drifts(table: pd.DataFrame) -> pd.DataFrame:
    """How far the moments of each layer's input drift from one moment of training to the next.

    With m_c, s_c the mean and the standard deviation of channel c before and m'_c, s'_c after:
    `mean_drift` = sqrt(mean over c of (m'_c - m_c)^2 / ((s_c^2 + s'_c^2) / 2)),
    `deviation_drift` = sqrt(mean over c of (ln s'_c - ln s_c)^2).
    The spread that a change is relative to is that of both moments together, as in the distance of two normal
    distributions (Bhattacharyya's has the first term's square by 8), so that looking from the later moment gives the
    same, and a channel that was nearly dead before does not outweigh all others. A channel that is dead (s = 0) at
    either moment has no spread to compare with and is left out of both; `left_out` is the share of such channels. NaN
    where all are, or where one is not finite. One row per network, layer and interval, called `after` by its end, and
    `since` its beginning.
    """
    parts = []
    for network, rows in table.groupby(NETWORK, sort=False):
        moments = {
            float(after): own.set_index(["layer", "channel"])[["mean", "standard_deviation"]]
            for after, own in rows.groupby("after")
        }
        for since, after in itertools.pairwise(sorted(moments)):
            found = _drift(moments[since], moments[after]).assign(since=since, after=after)
            parts.append(found.assign(**dict(zip(NETWORK, network, strict=True))))
    columns = [*NETWORK, "since", "after", "layer", *DRIFTS, "left_out"]
    if not parts:  # of one moment alone
        return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[3:], float))
    return pd.concat(parts, ignore_index=True)[columns]


def _drift(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """`DRIFTS` and `left_out` of each layer, from two tables of moments indexed by layer and channel."""
    (mean, deviation), (new_mean, new_deviation) = ((one.iloc[:, 0], one.iloc[:, 1]) for one in (before, after))
    finite = np.isfinite(pd.concat([before, after], axis=1)).all(axis=1)
    alive = (deviation > 0) & (new_deviation > 0)
    with np.errstate(all="ignore"):  # what has no value is left out or NaN below
        spread = np.sqrt((deviation**2 + new_deviation**2) / 2)
        squares = pd.DataFrame(
            {
                "mean_drift": ((new_mean - mean) / spread) ** 2,
                "deviation_drift": np.log(new_deviation / deviation) ** 2,
            }
        )
    found = np.sqrt(squares.where(alive).groupby("layer").mean())
    found = found.where(finite.groupby("layer").all(), axis=0)
    return found.assign(left_out=(~alive).groupby("layer").mean()).reset_index()


def shifts(table: pd.DataFrame) -> pd.DataFrame:
    """|G|, |G - G'|, `SHIFTS`: one row per network, moment and layer; NaN where G is zero or not finite."""
    found = table.drop_duplicates([*NETWORK_COLUMNS, "layer"], ignore_index=True)
    with np.errstate(all="ignore"):
        relative = found["gradient_change"] / found["gradient_norm"].where(found["gradient_norm"] > 0)
    return found.assign(relative_change=relative).drop(columns=["channel", "mean", "standard_deviation"])


def quantities(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The table that has each of `DRIFTS` and `SHIFTS`, by the quantity's name."""
    drifted, shifted = drifts(table), shifts(table)
    return dict.fromkeys(DRIFTS, drifted) | dict.fromkeys(SHIFTS, shifted)


def seed_differences(values: pd.DataFrame, quantity: str) -> pd.Series:
    """With BN minus without, each seed's mean over layers and moments; of the logarithm, but of the cosine gap.

    Only layers and moments at which both networks of the seed have a value, which is above 0 where a logarithm is
    taken, so that both means are of the same ones. Raises `Undecided` when there is none, or no pair of recipes.
    """
    differences = layer_differences(values, quantity)
    if differences.empty:
        raise Undecided("no layer has a value with BN and without at the same moment")
    return differences.groupby("seed").mean()


def layer_differences(values: pd.DataFrame, quantity: str) -> pd.Series:
    """The same difference of every seed, layer and moment; those that are not finite are left out."""
    chosen = pair(values)
    if quantity == "cosine_gap":
        found = side_by_side(chosen, quantity, WITHIN)
        differences = found["batch"] - found["none"]
    else:
        differences = log_ratios(chosen, quantity, WITHIN)
    return differences[np.isfinite(differences)]


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds of each quantity's middle over layers, with the range over seeds, per recipe and moment.

    A drift is that since the moment before.
    """
    shifted, drifted = shifts(table), drifts(table)
    rows = []
    for case in cases(table):
        row: dict[str, object] = {"recipe": case.recipe, "after": case.after}
        for name, label in {**DRIFTS, **SHIFTS, "gradient_change": "|G - G'|"}.items():
            middles = case.rows(drifted if name in DRIFTS else shifted).groupby("seed")[name].median().dropna()
            low, middle, high = middles.quantile([0, 0.5, 1])
            row[label] = f"{middle:.3g} ({low:.3g} to {high:.3g})" if len(middles) else "-"
        left_out = case.rows(drifted)["left_out"]
        row["dead channels"] = f"{100 * left_out.mean():.2g} %" if len(left_out) else "-"
        rows.append(row)
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame) -> Figure:
    """Above, the middle layer against training, with and without; below, by layer, with BN against without.

    A column for each of `DRIFTS` and `SHIFTS`. Below, only where the table has one recipe with BN and one without.
    """
    found = quantities(table)
    try:
        differences = {name: layer_differences(values, name) for name, values in found.items() if len(values)}
    except Undecided:
        differences = {}
    rows = 2 if differences else 1
    figure, axes = style.panels(rows, 4, width=11.0, height=2.7 * rows + 0.6)
    for column, (name, label) in enumerate({**DRIFTS, **SHIFTS}.items()):
        _against_training(axes[0, column], found[name], name, table)
        part = "(a)" if name in DRIFTS else "(b)"
        axes[0, column].set_title(f"{part} {label}")
        if differences and len(differences.get(name, ())):
            _by_layer(axes[1, column], differences[name], name)
        elif differences:
            axes[1, column].set_axis_off()
    axes[0, 0].set_ylabel("middle layer")
    if differences:
        axes[1, 0].set_ylabel("mean over moments")
    title = "thin: each seed; thick: median of seeds"
    if differences:
        title += (
            f"; below: mean over moments and {table['seed'].nunique()} seeds of the difference within a seed,\nband: "
            "its 90 % interval (Student's) at each layer; shaded: less with BN"
        )
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper center", ncols=4, title=title, title_fontsize=8)
    return figure


def _against_training(axis: Axes, values: pd.DataFrame, name: str, table: pd.DataFrame) -> None:
    """The median over layers of each network, and the median over seeds of these, against the moment or interval."""
    moments = sorted(values["after"].unique())
    since = dict(zip(values["after"], values["since"], strict=True)) if "since" in values else {}
    ticks = [f"{100 * since[after]:g} to\n{100 * after:g}" if since else f"{100 * after:g}" for after in moments]
    places = {after: place for place, after in enumerate(moments)}
    for case in reversed(cases(table.assign(after=0.0))):  # one for each recipe, the first on top
        own = values[values["recipe"] == case.recipe]
        finite = own.assign(**{name: own[name].where(np.isfinite(own[name]) & (own[name] > 0))})
        middles = finite.groupby(["after", "seed"])[name].median().unstack("seed")
        at = [places[after] for after in middles.index]
        axis.plot(at, middles, color=case.colour, lw=0.7, alpha=0.35)
        axis.plot(at, middles.median(axis=1), "o-", ms=4, color=case.colour, lw=1.9, label=case.label)
    axis.set(yscale="log", xlabel="% of training")
    axis.set_xticks(range(len(ticks)), ticks)
    axis.set_xlim(-0.3, max(len(ticks), 1) - 0.7)


def _by_layer(axis: Axes, differences: pd.Series, name: str) -> None:
    """The seeds' means over moments of a difference at each layer, their mean, and its interval."""
    by_seed = differences.groupby(["layer", "seed"]).mean().unstack("seed")
    estimates = {layer: statistics.mean(seeds.to_numpy()) for layer, seeds in by_seed.iterrows()}
    middle = np.array([estimate.value for estimate in estimates.values()])
    low = np.array([estimate.low for estimate in estimates.values()])
    high = np.array([estimate.high for estimate in estimates.values()])
    logarithmic = name != "cosine_gap"
    if logarithmic:
        by_seed, middle, low, high = (np.exp(values) for values in (by_seed, middle, low, high))
    equal = 1.0 if logarithmic else 0.0
    axis.plot(by_seed.index, by_seed, color="0.5", lw=0.6, alpha=0.5)
    axis.fill_between(by_seed.index, low, high, color="0.2", alpha=0.2, lw=0)
    axis.plot(by_seed.index, middle, "-", marker=".", color="0.15", lw=1.8)
    axis.axhline(equal, color="0.25", ls=":", lw=1.2)
    if logarithmic:
        axis.set(yscale="log", title="with BN / without, by layer")
        bottom, top = axis.get_ylim()
        bottom, top = min(bottom, equal / 1.3), max(top, 1.3 * equal)
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        if top / bottom < 100:  # too short for labels at powers of ten only
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axis.set_title("with BN minus without, by layer")
        bottom, top = axis.get_ylim()
        room = 0.2 * (top - bottom)
        bottom, top = min(bottom, -room), max(top, room)
    axis.axhspan(bottom, equal, color="0.93", zorder=0)
    axis.set(ylim=(bottom, top), xlabel="layer")
