"""Figure 5: the claim that activations grow, and the published values beside those of each network."""

import pandas as pd

from repro.experiments.activation_growth import show
from repro.instruments.log_moments import rise
from repro.results import statistics
from repro.results.cases import cases
from repro.results.claims import Claim, Condition, Needs, RuleChange, Undecided, contrast
from repro.results.published_values import PublishedValue
from repro.results.statistics import Estimate, Region

QUANTITIES = {"mean": "ln|mean| of a channel", "standard deviation": "ln(standard deviation) of a channel"}


def _rises(table: pd.DataFrame) -> pd.DataFrame:
    """How much ln(standard deviation) rises from the first tenth of the convolutions to the last.

    One row per seed in which neither network overflowed, columns `batch` and `none`.
    """
    values = show.log_moments(contrast(table))
    deviations = values[values["moment"] == "standard deviation"]
    rises = {kind: _rise(rows) for kind, rows in deviations.groupby("normalisation")}
    found = pd.DataFrame(rises).dropna()
    if found.empty:
        raise Undecided("activations overflowed")
    return found


def _rise(deviations: pd.DataFrame) -> pd.Series:
    by_layer = deviations.pivot(index="seed", columns="layer", values="value").iloc[:, :-1]  # without the classifier
    return by_layer.apply(rise, axis=1)


def _rise_beyond_with(table: pd.DataFrame) -> Estimate:
    rises = _rises(table)
    return statistics.median(rises["none"] - rises["batch"])


def _rise_with(table: pd.DataFrame) -> Estimate:
    return statistics.median(_rises(table)["batch"])


CLAIMS = [
    Claim(
        "deviations_grow_without",
        "paper",
        "Without BN, channel standard deviations grow with depth at initialisation; with BN they do not.",
        "Section 3.2, Figure 5",
        (
            Condition(
                "rise of ln(standard deviation) from the first to the last tenth of the convolutions, without BN minus "
                "with BN, median over seeds",
                _rise_beyond_with,
                Region(above=1.0),
                "A factor e more. Published, from layer 6 to 102: by 4.25 without BN, by 0.8 with.",
            ),
            Condition(
                "the same rise with BN, median over networks",
                _rise_with,
                Region(below=1.0),
                "Less than the same factor e. Published: 0.8 from layer 6 to 102, about as much as within each stage.",
            ),
        ),
        Needs(depth=110, real_images=True),
        history=(
            RuleChange(
                "2026-11-24",
                "in every seed it rises by more than a factor e beyond any growth with BN",
                "A rule that has to hold in every seed gets harder the more seeds are measured and can never be "
                "undecided; the interval of the median over seeds decides now. That it does not grow with BN is said "
                "too, and was not asked.",
                "reproduced",
            ),
        ),
    ),
]


def published(table: pd.DataFrame) -> list[PublishedValue]:
    """The 40 values read off Figure 5, means over the channels of a layer, beside those of each network."""
    values = show.log_moments(table)
    found = []
    for case in cases(table):
        own = case.rows(values)
        depth = int(own["layer"].max())
        for moment, quantity in QUANTITIES.items():
            chosen = own[own["moment"] == moment]
            for layer, value in show.published(case, moment, depth).items():
                networks = chosen.loc[chosen["layer"] == layer, "value"].tolist()
                name = f"{case.label}, layer {layer}: {quantity}, mean over channels"
                found.append(PublishedValue(name, value, "read off", networks, error=0.1))
    return found
