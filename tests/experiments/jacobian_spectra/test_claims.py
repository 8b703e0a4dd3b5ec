"""Claims on Jacobians, from spectra whose ranks are known."""

import pandas as pd
import pytest

from repro.experiments.jacobian_spectra import claims
from repro.results.claims import Scale, judge
from tests.experiments.jacobian_spectra.made import WITH, WITHOUT, flat

PAPER = Scale(110, True)
RANK_FALLS, LOGITS, STATES, GROWS_LESS = (claim.identifier for claim in claims.CLAIMS)


def network(normalisation: str, seed: int, ranks: dict[int, float], growth: float, **keys) -> pd.DataFrame:
    return flat(ranks, growth, normalisation=normalisation, seed=seed, **keys)


def pairs(
    seeds: int = 5,
    with_: tuple[dict[int, float], float] = (WITH, 0.1),
    without: tuple[dict[int, float], float] = (WITHOUT, 0.5),
    **keys,
) -> pd.DataFrame:
    """Seeds that all have the same ranks and growth per layer."""
    parts = [
        network(normalisation, seed, *made, **keys)
        for seed in range(seeds)
        for normalisation, made in (("batch", with_), ("none", without))
    ]
    return pd.concat(parts, ignore_index=True)


def verdicts(table: pd.DataFrame, scale: Scale = PAPER) -> dict[str, str]:
    cards, _ = judge("jacobian", claims.CLAIMS, table, scale, "")
    return dict(zip(cards["claim"], cards["verdict"], strict=True))


def because(table: pd.DataFrame, claim: str) -> str:
    cards, _ = judge("jacobian", claims.CLAIMS, table, PAPER, "")
    return cards.set_index("claim")["because"][claim]


def test_ranks_that_fall_and_networks_that_bn_helps():
    assert set(verdicts(pairs()).values()) == {"reproduced"}
    _, numbers = judge("jacobian", claims.CLAIMS, pairs(), PAPER, "")
    assert list(numbers["label"]) == ["layer 1 to 3", "layer 3 to 7", "-", "layer 7", "layer 1 to 7"]
    # 40 / 90, 10 / 40, 8 / 1, 80 / 10, and 6 layers that each add 0.1 and 0.5 decades.
    assert numbers["value"].to_numpy() == pytest.approx([40 / 90, 10 / 40, 8, 8, -2.4])


def test_ranks_that_do_not_fall_and_networks_that_bn_does_not_help():
    swapped = pairs(with_=(WITHOUT, 0.5), without=({1: 10, 3: 40, 7: 80, 8: 8}, 0.1))
    assert set(verdicts(swapped).values()) == {"not reproduced"}


def test_nearly_twice_as_many_is_not_more_than_twice():
    found = verdicts(pairs(with_=({**WITH, 7: 19, 8: 1.9}, 0.1)))
    assert (found[LOGITS], found[STATES]) == ("not reproduced", "not reproduced")
    assert found[RANK_FALLS] == "reproduced"


def test_one_step_at_which_the_rank_rises_is_enough():
    assert verdicts(pairs(without=({1: 40, 3: 90, 7: 10, 8: 1}, 0.5)))[RANK_FALLS] == "not reproduced"
    # In one seed of nine the rank may rise; the old rule asked for every one.
    odd = network("none", 8, {1: 40, 3: 90, 7: 10, 8: 1}, 0.5)
    table = pairs(9)
    kept = table[(table["seed"] != 8) | (table["normalisation"] != "none")]
    assert verdicts(pd.concat([kept, odd]))[RANK_FALLS] == "reproduced"


def test_seeds_that_disagree_leave_it_undecided():
    better = pairs(3)
    worse = pairs(3, with_=(WITHOUT, 0.5), without=({1: 10, 3: 40, 7: 80, 8: 8}, 0.1))
    mixed = pd.concat([better, worse.assign(seed=worse["seed"] + 3)])
    assert set(verdicts(mixed).values()) == {"undecided"}


def test_four_seeds_are_too_few():
    assert set(verdicts(pairs(4)).values()) == {"undecided"}
    assert "no interval from 4" in because(pairs(4), LOGITS)


def test_claims_are_about_the_untrained_pair_of_the_first_initialisation():
    opposite = {"with_": (WITHOUT, 0.5), "without": (WITH, 0.1)}
    other = pairs(**opposite, initialisation="pytorch_default").assign(recipe=lambda table: table["recipe"] + "-other")
    trained = pairs(**opposite, after=1.0)
    assert set(verdicts(pd.concat([pairs(), other, trained])).values()) == {"reproduced"}


def test_claims_need_one_pair_of_networks_of_one_depth_and_several_states():
    one_recipe = pairs().query("normalisation == 'batch'")
    for table in (one_recipe, pairs(after=1.0)):
        assert set(verdicts(table).values()) == {"undecided"}
        assert because(table, LOGITS) == "it takes one untrained recipe with BN and one without"
    deeper = pairs(without=({**WITHOUT, 13: 1, 14: 1}, 0.5))
    assert because(deeper, STATES) == "the networks with and without BN are not of one depth"
    shallow = pairs(with_=({7: 80, 8: 8}, 0.1), without=({7: 10, 8: 1}, 0.5))
    assert because(shallow, RANK_FALLS) == because(shallow, GROWS_LESS) == "one state only"
    assert verdicts(shallow)[STATES] == "reproduced"


@pytest.mark.parametrize("scale", [Scale(20, True), Scale(110, False)])
def test_networks_that_are_not_the_papers_decide_nothing(scale):
    assert set(verdicts(pairs(), scale).values()) == {"not run at this scale"}
