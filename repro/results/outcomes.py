"""Comparisons of how training ended, paired by seed.

A table has one row per network (`settings.experiment.outcome_columns`). Networks of one seed share initial weights,
images and their order, whatever else differs, so differences are taken within a seed first.
"""

from collections.abc import Mapping

import pandas as pd

from repro.results import statistics
from repro.results.claims import Undecided

# What is compared, per cent or points, and what figures call it.
QUANTITIES = {
    "test_accuracy": "test accuracy, %",
    "train_accuracy": "train accuracy, %",
    "gap": "train minus test accuracy, points",
}
LEVEL = 2.0  # points of train accuracy, see `require_levelled`
FEWEST = 3  # networks of a recipe, from which Student's interval is worth drawing


def percent(table: pd.DataFrame, quantity: str) -> pd.Series:
    """One of `QUANTITIES`, or `rise`, of each network, in per cent or points; NaN where a network diverged."""
    if quantity == "gap":
        return 100 * (table["train_accuracy"] - table["test_accuracy"])
    return 100 * table[quantity]


def at(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The networks of the one recipe that has these values, by column.

    Raises `Undecided` when the table has no such recipe or several.
    """
    chosen = _chosen(table, values)
    if chosen["recipe"].nunique() != 1:
        told = ", ".join(f"{column} {value}" for column, value in values.items())
        raise Undecided(f"{chosen['recipe'].nunique()} recipes with {told} where it takes one")
    return chosen


def by_seed(networks: pd.DataFrame, quantity: str = "test_accuracy") -> pd.Series:
    """A quantity of one recipe's networks by seed, per cent or points. Raises `Undecided` when one diverged."""
    values = percent(networks, quantity).set_axis(networks["seed"])
    if values.isna().any():
        raise Undecided(
            f"{int(values.isna().sum())} of {len(values)} networks of {networks['recipe'].iloc[0]} diverged"
        )
    return values


def difference(first: pd.DataFrame, second: pd.DataFrame, quantity: str = "test_accuracy") -> pd.Series:
    """`first` minus `second`, the networks of two recipes, within each seed that both have. Raises like `by_seed`."""
    return (by_seed(first, quantity) - by_seed(second, quantity)).dropna()


def best(table: pd.DataFrame, factor: str, quantity: str = "test_accuracy", **values: object) -> float:
    """The value of `factor` with the largest mean of `quantity`, among those at which no network diverged.

    Chosen by the same networks that are then compared, which favours it a little. `values` choose rows, by column.
    Raises `Undecided` when no value is left.
    """
    chosen = _chosen(table, values)
    means = percent(chosen, quantity).groupby(chosen[factor]).agg(lambda each: each.mean(skipna=False)).dropna()
    if means.empty:
        told = ", ".join(str(value) for value in values.values())
        raise Undecided(f"no {factor.replace('_', ' ')} at which all networks ({told}) ended")
    return float(means.idxmax())


def require_levelled(*recipes: pd.DataFrame) -> None:
    """Raise `Undecided` unless train accuracy rises by less than `LEVEL` points over the last two eighths of training.

    2 points are ours: less than the effects that matter, and about what is left to gain after the last drop of the
    rate. `recipes` are the networks of each.
    """
    for networks in recipes:
        by_seed(networks)
        if networks["rise"].isna().any():
            raise Undecided(f"training of {networks['recipe'].iloc[0]} is too short to say whether it has levelled off")
        rise = by_seed(networks, "rise").mean()
        if not abs(rise) < LEVEL:
            raise Undecided(
                f"training of {networks['recipe'].iloc[0]} has not levelled off: {rise:.1f} points in the last eighth"
            )


def require_networks(fewest: int, *recipes: pd.DataFrame) -> None:
    """Raise `Undecided` unless each of `recipes` has at least `fewest` networks."""
    for networks in recipes:
        if len(networks) < fewest:
            raise Undecided(f"{len(networks)} networks of {networks['recipe'].iloc[0]} are fewer than {fewest}")


def trained(table: pd.DataFrame, levelled: bool = True, /, **values: object) -> pd.DataFrame:
    """`at`, where no network diverged, there are at least `FEWEST` and training has levelled off; else `Undecided`.

    `levelled` False: wherever training stands; for what is claimed of networks after a given number of updates.
    """
    networks = at(table, **values)
    require_networks(FEWEST, networks)
    by_seed(networks)
    if levelled:
        require_levelled(networks)
    return networks


def change(
    table: pd.DataFrame,
    factor: str,
    start: object,
    end: object,
    quantity: str = "test_accuracy",
    levelled: bool = True,
    **values: object,
) -> pd.Series:
    """The quantity at `end` of a factor minus that at `start`, by seed, of networks `trained`; `values` as in `at`."""
    last, first = (trained(table, levelled, **values, **{factor: value}) for value in (end, start))
    return difference(last, first, quantity)


def gain(table: pd.DataFrame, factor: str, **values: object) -> pd.Series:
    """Test accuracy at the best value of a factor above 0 minus that at 0, by seed, points; `values` as in `at`.

    Which value is best is decided for each network by the mean of all others, so that choosing adds nothing to the
    gain. Values at which a network diverged do not compete. Raises `Undecided` when none is left, and as `trained`.
    """
    without = by_seed(trained(table, **values, **{factor: 0.0}))
    candidates = {}
    for value in sorted(set(table[factor]) - {0.0}):
        networks = _chosen(table, {factor: value, **values})
        if len(networks) and (networks["status"] == "finished").all():
            candidates[value] = by_seed(at(networks))
    accuracies = pd.DataFrame(candidates).dropna()
    if accuracies.shape[0] < FEWEST:
        told = ", ".join(str(value) for value in values.values())
        raise Undecided(f"no {factor.replace('_', ' ')} above 0 at which at least {FEWEST} networks ({told}) all ended")
    best_of_others = (accuracies.sum() - accuracies).idxmax(axis=1)
    for value in best_of_others.unique():
        require_levelled(at(table, **values, **{factor: value}))
    found = pd.Series({seed: accuracies.loc[seed, value] for seed, value in best_of_others.items()})
    return (found - without).dropna()


def require_above_zero(sample: pd.Series, premise: str) -> None:
    """Raise `Undecided` unless the interval of the mean lies above zero: what a claim takes for granted, in words."""
    found = statistics.mean(sample)
    if not found.low > 0:
        interval = f"{found.value:.2g} points, {found.low:.2g} to {found.high:.2g}"
        raise Undecided(f"the claim takes for granted that {premise}, which does not show here ({interval})")


def _chosen(table: pd.DataFrame, values: Mapping[str, object]) -> pd.DataFrame:
    """The rows that have these values, by column."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table
