"""Claims as data: each verdict from made-up tables whose truth is known."""

import itertools
import math
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from repro.results import claims, statistics
from repro.results.claims import Claim, Condition, Needs, Scale, Undecided, contrast, corrected, counts, judge
from repro.results.statistics import Region

PAPER = Scale(110, True)
POSITIVE, NOTHING = Region(above=0.0), Needs()


def networks(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"value": values})


HIGH = networks(1.0, 1.1, 1.2, 1.3, 1.4)
LOW = networks(-1.0, -1.1, -1.2, -1.3, -1.4)
BOTH = networks(-1.0, 0.2, 0.3, 0.4, 0.5)


def condition(region: Region = POSITIVE) -> Condition:
    return Condition("gain", lambda table: statistics.median(table["value"]), region, "Less would be none.")


def claim(*conditions: Condition, identifier: str = "it_gains", needs: Needs = NOTHING, **others) -> Claim:
    return Claim(identifier, others.pop("kind", "paper"), "It gains.", "Section 1", conditions, needs, **others)


def verdict(table: pd.DataFrame, *conditions: Condition, scale: Scale = PAPER, needs: Needs = NOTHING) -> str:
    cards, _ = judge("fig0", [claim(*conditions, needs=needs)], table, scale, "")
    (found,) = cards["verdict"]
    return found


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (HIGH, "reproduced"),
        (LOW, "not reproduced"),
        (BOTH, "undecided"),
        (HIGH.head(4), "undecided"),
        (networks(math.nan, math.nan), "undecided"),
        (networks(*[0.0] * 5), "not reproduced"),  # a threshold is outside
        (networks(*[math.inf] * 5), "reproduced"),
    ],
)
def test_a_verdict_follows_from_where_the_interval_lies(table, expected):
    assert verdict(table, condition()) == expected


@pytest.mark.parametrize(
    ("upper", "expected"), [(2.0, "reproduced"), (1.2, "undecided"), (1.0, "not reproduced"), (0.5, "not reproduced")]
)
def test_all_conditions_have_to_hold(upper, expected):
    assert verdict(HIGH, condition(), condition(Region(below=upper))) == expected


def test_one_condition_that_fails_decides_whatever_the_others():
    straddling = Condition("other", lambda _: statistics.median(BOTH["value"]), POSITIVE, "")
    assert verdict(LOW, condition(), straddling) == "not reproduced"
    assert verdict(LOW, straddling, condition()) == "not reproduced"


def test_equivalence_takes_evidence():
    near = Region(above=-0.1, below=0.1)
    assert verdict(networks(-0.02, 0.0, 0.01, 0.02, 0.03), condition(near)) == "reproduced"
    assert verdict(networks(-0.9, -0.4, 0.0, 0.5, 0.8), condition(near)) == "undecided"  # no difference found either
    assert verdict(networks(0.2, 0.3, 0.4, 0.5, 0.6), condition(near)) == "not reproduced"


def test_several_numbers_of_a_condition_all_have_to_hold():
    def by_layer(table: pd.DataFrame):
        return {f"layer {number}": statistics.median(own["value"]) for number, own in table.groupby("layer")}

    layers = [HIGH.assign(layer=18), HIGH.assign(layer=54), LOW.assign(layer=90)]
    every = Condition("gain", by_layer, POSITIVE, "")
    assert verdict(pd.concat(layers[:2]), every) == "reproduced"
    cards, numbers = judge("fig0", [claim(every)], pd.concat(layers), PAPER, "")
    assert list(cards["verdict"]) == ["not reproduced"]
    assert list(numbers["label"]) == ["layer 18", "layer 54", "layer 90"]
    assert list(numbers["position"]) == ["inside", "inside", "outside"]
    for label, value in (("layer 18", "1.2"), ("layer 90", "-1.2")):
        assert label in cards["because"].iloc[0]
        assert value in cards["because"].iloc[0]
    assert verdict(pd.concat(layers), Condition("gain", lambda _: {}, POSITIVE, "")) == "undecided"


@pytest.mark.parametrize(
    ("needs", "scale", "lacking"),
    [
        (Needs(), Scale(8, False), ""),
        (Needs(depth=110), Scale(110, False), ""),
        (Needs(depth=110), Scale(20, True), "depth 20 instead of 110"),
        (Needs(real_images=True), Scale(20, True), ""),
        (Needs(real_images=True), Scale(20, False), "synthetic images"),
        (Needs(depth=110, real_images=True), Scale(8, False), "depth 8 instead of 110, synthetic images"),
        (Needs(depth=110, real_images=True), Scale(None, None), ""),
        (Needs(also="five seeds"), Scale(8, False), ""),
    ],
)
def test_what_a_smaller_run_cannot_decide_it_does_not(needs, scale, lacking):
    assert scale.lacks(needs) == lacking
    for table, otherwise in ((HIGH, "reproduced"), (LOW, "not reproduced"), (BOTH, "undecided")):
        assert verdict(table, condition(), needs=needs, scale=scale) == (
            "not run at this scale" if lacking else otherwise
        )


def test_a_claim_that_was_not_run_still_tells_its_numbers_and_has_no_p_value():
    cards, numbers = judge("fig0", [claim(condition(), needs=Needs(depth=110))], HIGH, Scale(8, True), "")
    card = cards.iloc[0]
    assert card["because"].startswith("depth 8 instead of 110; gain: 1.2 (1 to 1.4; 5)")
    assert math.isnan(card["p_value"])
    assert len(numbers) == 1


def test_a_scale_is_that_of_the_shallowest_network_and_of_all_images():
    def scale(*recipes: tuple[int, str]) -> Scale:
        listed = {str(k): {"depth": depth, "images": {"source": source}} for k, (depth, source) in enumerate(recipes)}
        return Scale.of({"settings": {"recipes": listed}})

    assert scale((110, "archive"), (20, "archive")) == Scale(20, True)
    assert scale((20, "archive"), (110, "synthetic")) == Scale(20, False)
    assert Scale.of({"settings": {"factors": [1]}}) == Scale(None, None)


def test_what_a_table_lacks_becomes_the_reason():
    def lacking(_table: pd.DataFrame):
        raise Undecided("it takes two recipes")

    cards, numbers = judge("fig0", [claim(condition(), Condition("x", lacking, POSITIVE, ""))], HIGH, PAPER, "")
    card = cards.iloc[0]
    assert (card["verdict"], card["because"]) == ("undecided", "it takes two recipes; gain: 1.2 (1 to 1.4; 5)")
    assert math.isnan(card["p_value"])
    assert len(numbers) == 1


def test_what_is_wrong_in_a_claim_is_not_taken_for_a_verdict():
    broken = Condition("x", lambda table: table["missing"], POSITIVE, "")
    with pytest.raises(KeyError, match="missing"):
        judge("fig0", [claim(broken)], HIGH, PAPER, "")


def test_cards_say_who_claims_what_where_and_on_what():
    known, recalled = claim(condition()), claim(condition(), identifier="again", recalled=True, kind="own")
    cards, numbers = judge("fig0", [known, recalled], HIGH, PAPER, "ResNet-8")
    assert list(cards.columns) == list(claims.CARD_COLUMNS)
    assert list(numbers.columns) == list(claims.NUMBER_COLUMNS)
    first = cards.iloc[0].to_dict()
    assert math.isnan(first.pop("p_holm"))
    assert first == {
        "claim": "it_gains",
        "item": "fig0",
        "kind": "paper",
        "statement": "It gains.",
        "source": "Section 1",
        "recalled": 0,
        "verdict": "reproduced",
        "because": "gain: 1.2 (1 to 1.4; 5)",
        "rule": "gain: above 0",
        "p_value": 1 / 32,
        "on": "ResNet-8",
    }
    assert list(cards["recalled"]) == [0, 1]
    assert list(numbers["claim"]) == ["it_gains", "again"]
    assert numbers.iloc[0][["value", "low", "high", "networks"]].tolist() == [1.2, 1.0, 1.4, 5]
    assert numbers.iloc[0][["above", "below", "position"]].tolist() == [0.0, math.inf, "inside"]
    assert judge("fig0", [known], HIGH, PAPER, "")[0]["on"].tolist() == ["-"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (networks(1.0, 2.0), "gain: 1.5 (no interval from 2)"),
        (networks(), "gain: no value"),
        (networks(1.0, 2.0, *[math.inf] * 3), "gain: beyond the range (1 to beyond the range; 5)"),
        (networks(1e-7, 2e-7, 3e-7, 4e-7, 5e-7), "gain: 3e-07 (1e-07 to 5e-07; 5)"),
    ],
)
def test_numbers_are_told_in_words(table, told):
    assert judge("fig0", [claim(condition())], table, PAPER, "")[0]["because"].tolist() == [told]


def test_a_computed_number_is_told_without_an_interval():
    computed = Condition("exponent", lambda _: statistics.exact(-0.5), Region(above=-0.6, below=-0.4), "")
    cards, numbers = judge("fig0", [claim(computed)], HIGH, PAPER, "")
    assert cards["because"].tolist() == ["exponent: -0.5"]
    assert cards["rule"].tolist() == ["exponent: above -0.6 and below -0.4"]
    assert (cards["verdict"].tolist(), cards["p_value"].tolist()) == (["reproduced"], [0.0])
    assert numbers["networks"].tolist() == [0]


def test_the_p_value_of_a_claim_is_its_weakest_conditions():
    below = condition(Region(below=1.35))
    found = [
        judge("fig0", [claim(*pair)], HIGH, PAPER, "")[0]["p_value"].iloc[0]
        for pair in ((condition(), below), (below, condition()))
    ]
    # Four of five lie below: that many or more in 6 of 32 cases.
    assert found == [6 / 32, 6 / 32]


@pytest.mark.parametrize("first", [True, False])
def test_a_condition_without_a_p_value_leaves_none(first):
    none = Condition("other", lambda _: statistics.mean([1.0]), POSITIVE, "")
    pair = (none, condition()) if first else (condition(), none)
    assert math.isnan(judge("fig0", [claim(*pair)], HIGH, PAPER, "")[0]["p_value"].iloc[0])


def test_needs_are_told_in_words():
    assert Needs().words == "nothing"
    assert Needs(depth=110, real_images=True).words == "a depth of at least 110; real images"
    assert Needs(also="five seeds").words == "five seeds"


def cards(kinds: list[str], verdicts: list[str], p_values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"kind": kinds, "verdict": verdicts, "p_value": p_values, "p_holm": math.nan})


def test_claims_are_corrected_for_those_of_their_kind():
    table = cards(["own", "paper", "own", "own", "paper"], ["reproduced"] * 5, [0.01, 0.04, 0.03, math.nan, 0.5])
    # Two of the three own claims have a p-value: 2 x 0.01, 1 x 0.03; of the paper's 2 x 0.04 and 0.5.
    np.testing.assert_allclose(corrected(table)["p_holm"], [0.02, 0.08, 0.03, math.nan, 0.5])
    assert table["p_holm"].isna().all()


def test_verdicts_are_counted_by_kind_in_a_fixed_order():
    table = cards(
        ["own", "paper", "paper", "own", "theory"],
        ["undecided", "reproduced", "not run at this scale", "undecided", "not reproduced"],
        [0.0] * 5,
    )
    found = counts(table)
    assert list(found.columns) == list(get_args(claims.Outcome))
    assert found.index.tolist() == ["paper", "theory", "own"]
    assert found.to_numpy().tolist() == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 2, 0]]


def test_no_claims_make_no_cards():
    found, numbers = judge("fig0", [], HIGH, PAPER, "")
    assert (len(found), len(numbers)) == (0, 0)
    assert len(corrected(found)) == 0
    assert len(counts(found)) == 0


def test_what_one_condition_lacks_hides_no_other_that_fails():
    def lacking(_: pd.DataFrame) -> statistics.Estimate:
        raise Undecided("it takes two recipes")

    unknown = Condition("other", lacking, POSITIVE, "")
    assert verdict(LOW, unknown, condition()) == "not reproduced"
    assert verdict(HIGH, unknown, condition()) == "undecided"
    cards, numbers = judge("fig0", [claim(unknown, unknown, condition())], HIGH, PAPER, "")
    assert cards["because"].item().startswith("it takes two recipes; gain: 1.2 (1 to 1.4; 5)")
    assert math.isnan(cards["p_value"].item())
    assert len(numbers) == 1


# --- the pair with and without batch normalisation ---


def keyed_networks(*networks: tuple[str, str, float]) -> pd.DataFrame:
    """A row per seed of each network: its recipe, its normalisation and the moment."""
    rows = [(*network, seed) for seed, network in itertools.product(range(2), networks)]
    return pd.DataFrame(rows, columns=["recipe", "normalisation", "after", "seed"])


def test_contrast_is_the_untrained_pair_by_its_normalisation_whatever_the_recipes_are_called():
    others = keyed_networks(("batch-final", "batch-final", 0.0), ("batch-lr1", "batch", 0.5), ("none-lr1", "none", 1.0))
    pair = keyed_networks(("batch-depth20", "batch", 0.0), ("none-depth20", "none", 0.0))
    found = contrast(pd.concat([others, pair], ignore_index=True))
    assert found.reset_index(drop=True).equals(pair)


@pytest.mark.parametrize(
    "lacking",
    [
        keyed_networks(("batch", "batch", 0.0)),
        keyed_networks(("none", "none", 0.0)),
        keyed_networks(("batch", "batch", 0.5), ("none", "none", 0.5)),
        keyed_networks(("batch", "batch", 0.0), ("none", "none", 0.5)),
        keyed_networks(("batch-final", "batch-final", 0.0), ("none", "none", 0.0)),
        keyed_networks(("batch", "batch", 0.0), ("none", "none", 0.0), ("none-depth8", "none", 0.0)),
        keyed_networks(("batch", "batch", 0.0), ("batch-depth8", "batch", 0.0)),
    ],
)
def test_without_exactly_one_pair_claims_are_undecided(lacking):
    with pytest.raises(Undecided, match="one untrained recipe with BN and one without"):
        contrast(lacking)
