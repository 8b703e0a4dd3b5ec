"""The condition number's growth against theory; the paper's figure of it was recalled without numbers."""

import pandas as pd
from scipy import stats

from repro.experiments.condition_growth.show import FIRST_FITTED
from repro.random_matrices import condition_decades_per_factor
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, RuleChange, Undecided
from repro.results.statistics import Estimate, Region


def _rates_by_theory(table: pd.DataFrame) -> dict[str, Estimate]:
    """The fitted rate as a share of the asymptotic one, by size; one slope for each draw, whose products share factors.

    The mean, because the logarithms of a long product's singular values are nearly normal (Akemann, Burda and Kieburg
    2014), and so are slopes fitted to them.
    """
    long = table[table["factors"] >= FIRST_FITTED]
    if long["factors"].nunique() < 2:
        raise Undecided(f"fewer than two numbers of factors from {FIRST_FITTED} on")
    found = {}
    for size, draws in long.groupby("size"):
        slopes = [stats.linregress(own["factors"], own["log10_condition"]).slope for _, own in draws.groupby("draw")]
        theory = condition_decades_per_factor(int(str(size)))
        found[f"N = {size}"] = statistics.mean([slope / theory for slope in slopes])
    return found


CLAIMS = [
    Claim(
        "condition_grows_exponentially",
        "theory",
        "The condition number grows exponentially with the number of factors, at the rate that theory gives for the "
        "matrices' size.",
        "Section 5, Appendix K",
        (
            Condition(
                f"fitted decades per factor, from {FIRST_FITTED} factors on, as a share of the asymptotic rate, mean "
                "over draws",
                _rates_by_theory,
                Region(above=0.9, below=1.1),
                "Ours: from each of the sizes 10, 30, 100, 300 and 1000 to the next the asymptotic rate rises by 17 % "
                "or more, so no other size's rate lies within a tenth of it.",
            ),
        ),
        Needs(also=f"two numbers of factors from {FIRST_FITTED} on and two draws"),
        recalled=True,
        history=(
            RuleChange(
                "2026-11-21",
                "at every size the asymptotic rate lies within the fitted rate's own 95 % interval",
                "With five sizes, one of five such intervals misses the truth in a quarter of all cases.",
                "reproduced",
            ),
            RuleChange(
                "2026-11-24",
                "at every size the asymptotic rate lies within the fitted rate's interval, the intervals holding "
                "together with 95 % confidence",
                "A difference that is not significant shows no agreement: the fewer draws, the wider the interval and "
                "the surer the verdict. The rate now has to be shown to be close to theory.",
                "reproduced",
            ),
        ),
    ),
]
