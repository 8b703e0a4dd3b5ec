import importlib

import pandas as pd

from repro import config
from repro.claims import Claim, judge, verdict
from repro.dependencies import PARTS
from repro.experiments import experiment


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


def test_every_experiment_keeps_its_contract():
    for name in config.experiment_names():
        module = importlib.import_module(f"repro.experiments.{name}")
        for step in PARTS:
            part = experiment(config.experiment_entry(name)["item"], step)
            assert part.COLUMNS == experiment(name, step).COLUMNS == module.COLUMNS
        assert module.COLUMNS
        assert all(module.COLUMNS.values())
        for part in ("measure", "summarise", "plot"):
            assert getattr(module, part).__doc__, f"{name}.{part}"
        for claim in module.CLAIMS:
            assert claim.statement.strip()
            assert claim.source.strip()
