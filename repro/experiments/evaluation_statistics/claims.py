"""What running averages and small mini-batches cost at test time, beside the population's exact moments."""

from collections.abc import Callable

import pandas as pd

from repro.experiments.evaluation_statistics.settings import BATCH, POPULATION, RUNNING
from repro.experiments.evaluation_statistics.show import losses
from repro.results import statistics
from repro.results.claims import Claim, Condition, Needs, Undecided
from repro.results.statistics import Estimate, Region

FEWEST = 3  # seeds
GUESSING = 20.0  # per cent of the test images: twice what guessing gives among ten classes
LARGEST_SMALL = 8  # images


def _by_recipe(table: pd.DataFrame, choose: Callable[[pd.DataFrame], pd.DataFrame]) -> dict[str, Estimate]:
    """Points of accuracy from the population's, mean over seeds, of the rows that `choose` chooses, by recipe.

    Of networks at the end of their training. Raises `Undecided` where these are few, or no better than guessing.
    """
    trained = table[table["after"] == 1]
    if trained.empty:
        raise Undecided("no network at the end of its training")
    found = {}
    for recipe, rows in trained.groupby("recipe", sort=False):
        if rows["seed"].nunique() < FEWEST:
            raise Undecided(f"{rows['seed'].nunique()} seeds of {recipe} are fewer than {FEWEST}")
        accuracy = 100 * rows.loc[rows["statistics"] == POPULATION, "test_accuracy"].mean()
        if not accuracy > GUESSING:
            raise Undecided(f"{recipe} was not trained: {accuracy:.1f} % of the test images")
        found[str(recipe)] = statistics.mean(losses(choose(rows))["points"])
    return found


def _running(table: pd.DataFrame) -> dict[str, Estimate]:
    return _by_recipe(table, lambda rows: rows[rows["statistics"] == RUNNING])


def _smallest(table: pd.DataFrame) -> dict[str, Estimate]:
    sizes = table.loc[table["statistics"] == BATCH, "batch_size"]
    if sizes.empty or sizes.min() > LARGEST_SMALL:
        raise Undecided(f"no mini-batches of at most {LARGEST_SMALL} test images")
    smallest = sizes.min()
    return _by_recipe(table, lambda rows: rows[rows["batch_size"] == smallest])


SOURCE = (
    "introductions to BN; Ioffe and Szegedy 2015 (arXiv 1502.03167), Section 3.1 and Algorithm 2; Ioffe 2017 (arXiv "
    "1702.03275)"
)
NEEDS = Needs(real_images=True, also=f"trained networks, better than guessing, of at least {FEWEST} seeds")

CLAIMS = [
    Claim(
        "running_averages_cost_nothing",
        "introductions",
        "At test time running averages stand for the statistics of the batch, and that costs nothing.",
        SOURCE,
        (
            Condition(
                "test accuracy with running averages minus that with the moments of all training images, points, mean "
                "over seeds",
                _running,
                Region(above=-1.0, below=1.0),
                "Ours: BN gains a few points, of which one would be worth knowing; it is also about the counting error "
                "of 2,000 test images. The population is not augmented and what is averaged in training is, so that "
                "the difference holds that too. How far averages lag depends on the learning rate at the end, so this "
                "says something of networks trained like these, of any depth.",
            ),
        ),
        NEEDS,
    ),
    Claim(
        "small_batches_cost_at_test_time",
        "introductions",
        "Normalised by their own statistics, small mini-batches of test images are classified worse.",
        SOURCE,
        (
            Condition(
                "test accuracy with the statistics of the smallest mini-batches minus that with the moments of all "
                "training images, of the same images, points, mean over seeds",
                _smallest,
                Region(below=0.0),
                f"The claim is a direction. Small is at most {LARGEST_SMALL} images (ours), as at most a few are there "
                "at once where a network is used.",
            ),
        ),
        NEEDS,
    ),
]
