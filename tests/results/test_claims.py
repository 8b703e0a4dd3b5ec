import pandas as pd
import pytest

from repro.results.claims import Claim, Undecided, Verdict, judge, verdict


def test_verdicts():
    assert verdict(True, "1").outcome == "supported"
    assert verdict(False, "1").outcome == "not supported"
    assert verdict(None, "1").outcome == "undecided"


def test_judge_marks_recalled_sources():
    table = pd.DataFrame({"value": [1.0, 2.0]})
    claims = [
        Claim("large", "Section 1", lambda table: verdict(bool(table["value"].max() > 1.5), "2"), recalled=True),
        Claim("small", "Section 2", lambda table: verdict(bool(table["value"].max() < 1.5), "2")),
    ]
    judged = judge("fig0", claims, table, "ResNet-8")
    assert judged["outcome"].tolist() == ["supported", "not supported"]
    assert judged["source"].tolist() == ["Section 1 (recalled)", "Section 2"]
    assert judged["on"].tolist() == ["ResNet-8"] * 2


def test_what_a_claim_lacks_becomes_its_verdict():
    def lacking(_table: pd.DataFrame) -> Verdict:
        raise Undecided("it takes two recipes")

    judged = judge("fig0", [Claim("large", "Section 1", lacking)], pd.DataFrame({"value": [1.0]}), "")
    assert judged.iloc[0].to_dict() == {
        "item": "fig0",
        "statement": "large",
        "source": "Section 1",
        "outcome": "undecided",
        "measured": "it takes two recipes",
        "on": "-",
    }


def test_what_is_wrong_in_a_claim_is_not_taken_for_a_verdict():
    with pytest.raises(KeyError, match="missing"):
        judge("fig0", [Claim("large", "Section 1", lambda table: table["missing"])], pd.DataFrame({"value": [1.0]}), "")
