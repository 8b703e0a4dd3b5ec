"""Tables of networks as the command line makes them, for tests: keyed, measured, shown and judged."""

import dataclasses
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from repro.experiments.scoring import claims_of
from repro.images.data import ImageData
from repro.results import claims, style, tables
from repro.settings.catalogue import entry
from repro.settings.experiment import NETWORK_COLUMNS
from repro.settings.recipe import Recipe, named
from repro.training.snapshots import Snapshot, untrained

PAIR = ({}, {"normalisation": "none"})
# A recipe beside the pair that differs in all that measurements depend on.
THREE = (*PAIR, {"normalisation": "none", "depth": 14, "batch_size": 16, "learning_rate": 0.01})


def keyed(
    frame: pd.DataFrame, normalisation: str = "batch", seed: int = 0, recipe: str | None = None, after: float = 0.0
) -> pd.DataFrame:
    """`frame` with the key columns of a network in front; `recipe` None: called by its normalisation."""
    keys = {"recipe": recipe or normalisation, "normalisation": normalisation, "after": after, "seed": seed}
    return frame.assign(**keys)[[*NETWORK_COLUMNS, *frame.columns]]


def snapshots(
    data: ImageData, variations: Sequence[Mapping[str, Any]] = PAIR, seeds: int = 3, after: Sequence[float] = (0.0,)
) -> list[Snapshot]:
    """Small networks in the order in which the command line measures them; all untrained, whatever `after` says."""
    recipes = named(Recipe(depth=8, batch_size=8), variations, True, "recipes")
    return [
        dataclasses.replace(untrained(recipe, seed, data, name=name), after=share)
        for seed in range(seeds)
        for name, recipe in recipes.items()
        for share in after
    ]


def overflow(networks: Iterable[Snapshot]) -> None:
    """Networks without BN get weights so large that float32 overflows; those with BN stay as they are."""
    for snapshot in networks:
        if snapshot.recipe.normalisation == "none":
            with torch.no_grad():
                for parameter in snapshot.network.parameters():
                    parameter.mul_(1e12)


def measured(
    measure: Callable[[Snapshot, Any], pd.DataFrame], settings: Any, networks: Iterable[Snapshot]
) -> pd.DataFrame:
    """`measure` of several networks in one table."""
    parts = [
        keyed(
            measure(snapshot, settings),
            snapshot.recipe.normalisation_label,
            snapshot.seed,
            snapshot.name,
            snapshot.after,
        )
        for snapshot in networks
    ]
    return pd.concat(parts, ignore_index=True)


def show_and_judge(experiment: str, table: pd.DataFrame, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table, written, read, summarised, drawn and judged as by the command line: the summary and the verdicts.

    It counts as measured at the paper's scale, so that what a claim needs hides no verdict.
    """
    known = entry(experiment)
    assert list(table.columns) == list(known.columns)
    path = folder / f"{known.name}.{known.table}"
    tables.write(path, table, known.columns, {})
    table, _ = tables.read(path)
    tables.check(path, table, known.columns)
    show = importlib.import_module(f"repro.experiments.{known.name}.show")
    style.save(show.plot(table), folder, known.item, "a test")
    assert all((folder / f"{known.item}.{suffix}").stat().st_size > 1000 for suffix in style.FORMATS)
    summary = show.summarise(table)
    tables.markdown(summary)
    cards, _ = claims.judge(known.item, claims_of(known.name), table, claims.Scale(110, True), "")
    return summary, cards
