"""Whether toy networks behave like products of random matrices; the paper says so of networks and measures none."""

import numpy as np
import pandas as pd

from repro.experiments.product_analogy.show import FIRST_FITTED, per_network, slopes
from repro.random_matrices import distance_to_law
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, RuleChange, Undecided
from repro.results.statistics import Estimate, Region


def _linear_distances(table: pd.DataFrame) -> dict[str, Estimate]:
    """N times Kolmogorov's distance to the law, by M; of each draw, the initialisation furthest from the law.

    Spectra are scaled to mean square 1. Orthogonal weights are left out: their entries are not independent.
    """
    rows = table[(table["kind"] == "linear") & (table["initialisation"] != "orthogonal")]
    if rows.empty:
        raise Undecided("no linear network with independent weights")
    found = {}
    for matrices, group in rows.groupby("matrices"):
        m, width = int(str(matrices)), int(group["width"].iloc[0])
        furthest: dict[object, float] = {}
        for (draw, _), values in group.groupby(["draw", "initialisation"])["singular_value"]:
            scaled = values.to_numpy() / np.sqrt(np.mean(values.to_numpy() ** 2))
            furthest[draw] = max(furthest.get(draw, 0.0), width * float(distance_to_law(scaled, m)))
        found[f"M = {m}"] = statistics.median(list(furthest.values()))
    return found


def _share_of_linear(table: pd.DataFrame, kind: str) -> Estimate:
    """How fast the condition number of a kind grows, as a share of the linear network's with the same weights."""
    networks = per_network(table[table["initialisation"] == table["initialisation"].iloc[0]])
    rates = {
        each: slopes(networks[networks["kind"] == each], "log10_condition").rename(each) for each in ("linear", kind)
    }
    both = pd.concat(rates.values(), axis=1).dropna()
    if both.empty:
        raise Undecided(f"fewer than two depths from {FIRST_FITTED} matrices on, of both kinds of network")
    return statistics.median(both[kind] / both["linear"])


def _relu(table: pd.DataFrame) -> Estimate:
    return _share_of_linear(table, "relu")


def _shortcut_relu(table: pd.DataFrame) -> Estimate:
    return _share_of_linear(table, "shortcut_relu")


SOURCE = "Section 5 (an analogy there, not measured)"
HALF = (
    "Ours: the analogy stands when depth does to the network nearly what it does to the product; half the rate is a "
    "generous reading of nearly."
)
NO_INTERVAL = (
    "The mean rates were compared without their uncertainty, although both networks have the same weights; the "
    "interval of the median over draws decides now."
)
CLAIMS = [
    Claim(
        "linear_network_is_a_product",
        "theory",
        "A linear network at initialisation is a product of random matrices: its Jacobian's spectrum follows Theorem "
        "1, also for weights that are not Gaussian.",
        SOURCE,
        (
            Condition(
                "N times Kolmogorov's distance of a linear network's spectrum to the limiting law, of the "
                "initialisation furthest from it, median over draws",
                _linear_distances,
                Region(below=5.0),
                "Ours, as in Figure 9: at finite N a spectrum differs from its limit by the order of 1/N, and Gaussian "
                "products themselves are between 2/N and 5/N away.",
            ),
        ),
        Needs(also="five draws"),
        history=(
            RuleChange(
                "2026-11-24",
                "at every M the median over draws and initialisations of the distance is below 5/N",
                "Initialisations that are close to the law hid one that is not, and the median had no interval; the "
                "interval of the median over draws decides now, of the initialisation furthest from the law.",
                "reproduced",
            ),
        ),
    ),
    Claim(
        "relu_grows_like_the_product",
        "own",
        "ReLU leaves the analogy standing: the condition number, on the directions that are not switched off, grows "
        "with depth at least half as fast as the linear network's.",
        SOURCE,
        (
            Condition(
                "decades per matrix with ReLU, as a share of the linear network's, median over draws",
                _relu,
                Region(above=0.5),
                HALF,
            ),
        ),
        Needs(also=f"two depths from {FIRST_FITTED} matrices on and five draws"),
        history=(
            RuleChange(
                "2026-11-24",
                "the mean rate over draws is more than half of the linear network's",
                NO_INTERVAL,
                "not reproduced",
            ),
        ),
    ),
    Claim(
        "shortcuts_grow_like_the_product",
        "own",
        "So do residual connections: in a network with ReLU and shortcuts it grows at least half as fast.",
        SOURCE,
        (
            Condition(
                "decades per matrix with ReLU and shortcuts, as a share of the linear network's, median over draws",
                _shortcut_relu,
                Region(above=0.5),
                HALF,
            ),
        ),
        Needs(also=f"two depths from {FIRST_FITTED} matrices on and five draws"),
        history=(
            RuleChange(
                "2026-11-24",
                "the mean rate over draws is more than half of the linear network's",
                NO_INTERVAL,
                "not reproduced",
            ),
        ),
    ),
]
