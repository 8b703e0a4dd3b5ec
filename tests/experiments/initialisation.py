"""What the tests of measurements at initialisation share: small subjects, overflowing ones, and the whole path once."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch

from repro import claims, config, datasets, style, tables
from repro.config import Configuration
from repro.experiments.initialisation import Subject, subjects
from tests.conftest import random_images

SEEDS = 3


def configuration(name: str, depth: int = 8, batch_size: int = 8, **settings: object) -> Configuration:
    """A small network; `settings` are those of the experiment `name`."""
    experiments = {name: {"seeds": SEEDS} | settings}
    network = {"depth": depth}
    return config.validate(
        {"name": "trial", "device": "cpu", "batch_size": batch_size, "network": network, "experiments": experiments}
    )


def use_small_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise of 16 x 16 pixels in four classes takes the place of the data set."""
    images = random_images()
    monkeypatch.setattr(datasets, "load", lambda settings: images)


def overflow(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
    """Networks without BN get weights so large that float32 overflows; those with BN stay as they are."""

    def overflowing(configuration: Configuration, seeds: int) -> Iterator[Subject]:
        for subject in subjects(configuration, seeds):
            if subject.normalisation == "none":
                with torch.no_grad():
                    for parameter in subject.network.parameters():
                        parameter.mul_(1e12)
            yield subject

    monkeypatch.setattr(module, "subjects", overflowing)


def judge_and_draw(module: ModuleType, table: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table, written, read, summarised, drawn and judged as by the command line: the summary and the verdicts."""
    assert list(table.columns) == list(module.COLUMNS)
    suffix = ".csv" if len(table) < 100 else ".parquet"
    tables.write(folder / f"table{suffix}", table, module.COLUMNS, {"seeds": SEEDS})
    table, _ = tables.read(folder / f"table{suffix}")
    style.save(module.plot(table), folder, "figure", "a test")
    assert all((folder / f"figure.{suffix}").stat().st_size > 1000 for suffix in style.FORMATS)
    summary = module.summarise(table)
    tables.markdown(summary)
    return summary, claims.judge("item", module.CLAIMS, table, "")
