import re
from pathlib import Path
from typing import Any

import pandas as pd

from repro.results import tables
from repro.settings.configuration import Configuration, validate
from repro.training import benchmark
from repro.workflow import expected_time


def configuration(images: dict[str, Any] | None = None, precision: str = "bfloat16", **settings: Any) -> Configuration:
    recipe = {"depth": 20, "epochs": 10, "precision": precision, "images": images or {}}
    recipes: list[dict[str, Any]] = [{}, {"normalisation": "none", "learning_rate": 0.001, "epochs": 30}]
    experiments = {"training_curves": {"seeds": 3, "recipes": recipes}}
    return validate({"name": "x", "recipe": recipe, "experiments": experiments, **settings})


def kept(folder: Path, kind: str) -> None:
    rows = [
        ("eager", 1, 1, "float32", 0.1),
        ("engine, graph", 1, 1, "bfloat16", 0.5),
        ("engine, graph", 2, 1, "bfloat16", 0.8),
        ("engine, graph", 4, 1, "bfloat16", 1.6),
        ("engine, a process per core", 2, 1, "bfloat16", 0.25),
    ]
    table = pd.DataFrame(rows, columns=["rung", "networks", "threads", "precision", "network_epochs_per_second"])
    for name in ("step_seconds", "evaluation_seconds", "memory_per_network", "ratio"):
        table[name] = 1.0
    chosen = table[table["rung"].str.contains("core") == (kind == "cpu")]
    path = folder / f"training-{kind}-20.csv"
    provenance = {"device": "pretended", "fastest": "bfloat16"}
    tables.write(path, chosen[list(benchmark.COLUMNS)], benchmark.COLUMNS, provenance)


def test_expected_hours_follow_from_the_benchmark(tmp_path):
    said = expected_time.describe(configuration(), tmp_path)
    assert "2 recipes, 6 networks, 120 network-epochs" in said
    assert "python -m repro benchmark --depth 20" in said
    kept(tmp_path, "cpu")
    # 120 network-epochs of a tenth of the images at 0.25 per second.
    said = expected_time.describe(configuration(images={"train_images": 5000}), tmp_path)
    assert "120 network-epochs" in said
    assert f"about {120 / 10 / 0.25 / 3600:.1f} hours on pretended" in said
    kept(tmp_path, "cuda")
    # Three seeds run side by side: the rate of two, not of four.
    assert f"about {120 / 0.8 / 3600:.1f} hours" in expected_time.describe(configuration(), tmp_path)
    assert f"about {120 / 0.8 / 3600:.1f} hours" in expected_time.describe(configuration(precision="fastest"), tmp_path)
    strict = configuration(precision="float32")
    assert "no rate for precision float32" in expected_time.describe(strict, tmp_path)


def test_what_trains_nothing_takes_no_time(tmp_path):
    alone = validate({"name": "x", "experiments": {"limiting_spectrum": {}}})
    assert expected_time.describe(alone, tmp_path) == "nothing"


def test_a_damaged_benchmark_costs_no_more_than_the_estimate(tmp_path):
    kept(tmp_path, "cpu")
    (tmp_path / "training-cpu-20.csv").write_text("nonsense")
    said = expected_time.describe(configuration(device="cpu"), tmp_path)
    assert re.search(r"120 network-epochs.*no estimate of the hours: .*training-cpu-20", said)
