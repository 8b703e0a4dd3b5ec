"""Figure 5: moments of the channels against depth, and the published values."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from repro.instruments.log_moments import mean_logarithm
from repro.networks.layers import PAPER_DEPTH, equivalent_layer
from repro.results import style
from repro.results.cases import Case, cases
from repro.settings.experiment import NETWORK_COLUMNS

MOMENTS = {"mean": r"$\ln|\mu_c|$", "standard deviation": r"$\ln\,\sigma_c$"}

# Read off the published plot: layer -> mean over channels of ln|mean| and of ln(standard deviation).
PAPER_LAYERS = (6, 18, 30, 42, 54, 66, 78, 90, 102, 110)
PUBLISHED = {
    ("batch", "mean"): (-0.9, 0.2, 0.5, -0.8, -0.3, 0.1, -1.0, -0.35, 0.0, -0.6),
    ("batch", "standard deviation"): (0.1, 0.6, 0.9, 0.05, 0.6, 0.9, 0.0, 0.55, 0.9, -0.8),
    ("none", "mean"): (-1.5, -1.4, -0.3, -0.3, -0.3, 0.75, 1.25, 1.9, 2.8, 3.5),
    ("none", "standard deviation"): (-1.25, -1.1, -0.3, -0.2, 0.15, 0.9, 1.4, 2.2, 3.0, 2.0),
}


def log_moments(table: pd.DataFrame) -> pd.DataFrame:
    """`mean_logarithm` over channels c of mean_c and of std_c, one row per network, layer and moment. Figure 5."""
    keys = [*NETWORK_COLUMNS, "layer"]
    moments = table.assign(**{"standard deviation": np.sqrt(table["variance"])})
    values = moments.groupby(keys, sort=False)[list(MOMENTS)].agg(mean_logarithm).reset_index()
    return values.melt(keys, list(MOMENTS), "moment", "value")


def published(case: Case, moment: str, depth: int) -> dict[int, float]:
    """The published values of a case by layer; none where the paper has no such network."""
    if case.after or depth != PAPER_DEPTH or (case.normalisation, moment) not in PUBLISHED:
        return {}
    return dict(zip(PAPER_LAYERS, PUBLISHED[case.normalisation, moment], strict=True))


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and one standard deviation over seeds at the paper's layers, or their like, beside the published values."""
    values = log_moments(table)
    rows = []
    for case in cases(table):
        own = case.rows(values)
        depth = int(own["layer"].max())
        for moment in MOMENTS:
            at_layers = published(case, moment, depth)
            # In shallow networks several of the paper's layers have the same like.
            for layer in dict.fromkeys(equivalent_layer(layer, depth) for layer in PAPER_LAYERS):
                chosen = own.loc[(own["layer"] == layer) & (own["moment"] == moment), "value"]
                measured = chosen.mean(), chosen.std()
                rows.append((case.recipe, case.after, moment, layer, *measured, at_layers.get(layer, np.nan)))
    columns = ["recipe", "after", "moment", "layer", "ln, mean over seeds", "ln, std over seeds", "ln, published"]
    return pd.DataFrame(rows, columns=columns)


def plot(table: pd.DataFrame) -> Figure:
    """Ln of the channel means (left) and standard deviations (right) against depth, mean and one std over seeds."""
    values = log_moments(table)
    figure, axes = style.panels(1, 2)
    compared = False
    for axis, (moment, symbol) in zip(axes[0], MOMENTS.items(), strict=True):
        for case in cases(table):
            own = case.rows(values)
            bands = own[own["moment"] == moment].groupby("layer")["value"].agg(["mean", "std"])
            low, high = bands["mean"] - bands["std"], bands["mean"] + bands["std"]
            axis.plot(bands.index, bands["mean"], case.line, color=case.colour, label=case.label)
            axis.fill_between(bands.index, low, high, color=case.colour, alpha=0.2, lw=0)
            at_layers = published(case, moment, bands.index.max())
            axis.plot(list(at_layers), list(at_layers.values()), "o", mfc="white", mec=case.colour, ms=4)
            compared = compared or bool(at_layers)
        axis.set(xlabel="layer", ylabel=f"{symbol}, mean over channels", title=f"channel {moment}s")
    if compared:
        axes[0, 0].plot([], [], "o", mfc="white", mec="0.4", ms=4, label="published (read off)")
    legend = {"title": f"band: ±1 std over {table['seed'].nunique()} seeds", "title_fontsize": 7}
    if len(cases(table)) <= 2:
        axes[0, 0].legend(**legend)
    else:  # no panel has room for them
        figure.set_figheight(2.8 + 0.1 * len(cases(table)))
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, **legend)
    return figure
