"""Figure 4: the claims of Section 3.2, and the published ranges beside those of each network."""

import dataclasses
import itertools

import numpy as np
import pandas as pd

from repro.experiments.diverging_update import show
from repro.results import statistics
from repro.results.cases import cases
from repro.results.claims import Claim, Condition, Needs, RuleChange, Undecided
from repro.results.published_values import PublishedValue
from repro.results.statistics import Estimate, Region


def _without(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the one untrained recipe without normalisation.

    Raises `Undecided` when there is not exactly one, or when its updates do not tell what the claims are about.
    """
    without = table[(table["after"] == 0) & (table["normalisation"] == "none")]
    if without["recipe"].nunique() != 1:
        raise Undecided("it takes one recipe without BN, from its first step on")
    if not (without["status"] == "diverged").any():
        raise Undecided(f"no update diverged, in {without['seed'].nunique()} networks")
    if ends(without).empty:
        raise Undecided(
            "moments overflow everywhere along the diverging updates; use a smaller learning rate or more points"
        )
    return without


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """Of each diverged network: the first position, and the last at which all moments are finite; `end` tells which.

    A network whose moments are finite at the first position only is left out.
    """
    diverged = table[table["status"] == "diverged"]
    finite = np.isfinite(diverged[["mean", "variance"]]).all(axis=1).groupby([diverged["seed"], diverged["position"]])
    whole = finite.all().reset_index(name="finite").query("finite and position > 0")
    last = diverged["seed"].map(whole.groupby("seed")["position"].max())
    kept = diverged[(diverged["position"] == last) | ((diverged["position"] == 0) & last.notna())]
    return kept.assign(end=kept["position"] > 0)


def _lowest_mean(table: pd.DataFrame) -> dict[str, Estimate]:
    means = ends(_without(table)).query("end").groupby(["seed", "layer"])["mean"]
    return _by_layer(means.min().unstack())


def _highest_mean(table: pd.DataFrame) -> dict[str, Estimate]:
    means = ends(_without(table)).query("end").groupby(["seed", "layer"])["mean"]
    return _by_layer(means.max().unstack())


def _by_layer(values: pd.DataFrame) -> dict[str, Estimate]:
    """The median over diverged networks (rows) in each layer (columns)."""
    return {f"layer {layer}": statistics.median(column) for layer, column in values.items()}


def _decades(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """log10 of the largest channel variance before and at the end of the update: diverged networks x layers."""
    largest = ends(_without(table)).groupby(["end", "seed", "layer"])["variance"].max().unstack()
    if largest.shape[1] < 2:
        raise Undecided("only one layer was examined")
    with np.errstate(divide="ignore"):  # a layer without any variance
        decades = np.log10(largest)
    return decades.loc[False], decades.loc[True]


def _from_layer_to_layer(values: pd.DataFrame) -> dict[str, Estimate]:
    """By how much the values of a network (row) rise from each layer (column) to the next, medians over networks."""
    pairs = itertools.pairwise(values.columns)
    return {f"layer {first} to {next_}": statistics.median(values[next_] - values[first]) for first, next_ in pairs}


def _rises_to_next_layer(table: pd.DataFrame) -> dict[str, Estimate]:
    _, after = _decades(table)
    return _from_layer_to_layer(after)


def _rises_in_all(table: pd.DataFrame) -> Estimate:
    _, after = _decades(table)
    return statistics.median(after.iloc[:, -1] - after.iloc[:, 0])


def _grows_more(table: pd.DataFrame) -> dict[str, Estimate]:
    before, after = _decades(table)
    return _from_layer_to_layer(after - before)


EVERY_NETWORK = (
    "A rule that has to hold in every network gets harder the more networks are measured and can never be undecided; "
    "the interval of the median over the diverged networks decides now."
)
NEEDS = Needs(depth=110, real_images=True, also="networks without BN in which an update diverges")

CLAIMS = [
    Claim(
        "means_take_both_signs",
        "paper",
        "At the end of the diverging update channel means take both signs.",
        "Section 3.2, Figure 4",
        (
            Condition(
                "lowest channel mean at the end of the update, median over diverged networks",
                _lowest_mean,
                Region(below=0.0),
                "Published: -0.9, -3900 and -3e8 in layers 8, 44 and 80.",
            ),
            Condition(
                "highest channel mean there, median over diverged networks",
                _highest_mean,
                Region(above=0.0),
                "Published: 1.4, 2700 and 1.9e8 in layers 8, 44 and 80.",
            ),
        ),
        NEEDS,
        history=(
            RuleChange(
                "2026-11-24",
                "both signs in every layer examined of every diverged network",
                EVERY_NETWORK,
                "reproduced",
            ),
        ),
    ),
    Claim(
        "variances_explode_with_depth",
        "paper",
        "At the end of the diverging update channel variances explode with depth.",
        "Section 3.2, Figure 4",
        (
            Condition(
                "decades by which the largest variance at the end rises from each layer examined to the next, median "
                "over diverged networks",
                _rises_to_next_layer,
                Region(above=0.0),
                "Published: it rises from 1 in layer 8 to 5.4e6 in layer 44 and to 5.5e16 in layer 80.",
            ),
            Condition(
                "decades by which it rises from the first layer examined to the last, median over diverged networks",
                _rises_in_all,
                Region(above=6.0),
                "Published: by 16.7; 6 is less than the smaller of its two steps, 6.7.",
            ),
        ),
        dataclasses.replace(NEEDS, also=f"{NEEDS.also}; two layers or more"),
        history=(
            RuleChange(
                "2026-11-24",
                "in every diverged network the largest variance rises from each layer examined to the next, in all by "
                "more than 1e6",
                EVERY_NETWORK,
                "reproduced",
            ),
        ),
    ),
    Claim(
        "later_layers_grow_more",
        "paper",
        "Along the diverging update the later layers' variances grow more.",
        "Section 3.2, Figure 4",
        (
            Condition(
                "decades by which the largest variance grows along the update, in each layer examined minus in the one "
                "before it, median over diverged networks",
                _grows_more,
                Region(above=0.0),
                "The claim compares layers; the published panels tell the highest variances along the update, not "
                "those at its beginning.",
            ),
        ),
        dataclasses.replace(NEEDS, also=f"{NEEDS.also}; two layers or more"),
        history=(
            RuleChange(
                "2026-11-24",
                "in every diverged network the largest variance grows by a larger factor from each layer examined to "
                "the next",
                EVERY_NETWORK,
                "not reproduced",
            ),
        ),
    ),
]


def published(table: pd.DataFrame) -> list[PublishedValue]:
    """The ranges read off Figure 4, of one network's update, beside those of each diverged network."""
    found = []
    for case in cases(table):
        rows = case.rows(table)
        ranges = show.ranges(rows[rows["status"] == "diverged"])
        for (layer, quantity), value in show.published(case).items():
            networks = ranges.loc[ranges["layer"].astype(str) == layer, quantity].tolist()
            name = f"{case.label}, layer {layer}: {quantity} of a channel along the diverging update"
            found.append(PublishedValue(name, value, "read off", networks))
    return found
