"""The scorecard: which claims the tables of a folder bear out, and the paper's numbers beside those measured here."""

import importlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from repro.experiments import showing
from repro.machine.errors import UserError
from repro.results import claims, published_values, sources, tables
from repro.settings import catalogue
from repro.settings.configuration import Configuration
from repro.settings.experiment import Column

# The files of a scorecard, beside the tables that it was made from, and their columns.
FILES: dict[str, dict[str, Column]] = {
    "scorecard": claims.CARD_COLUMNS,
    "scorecard_numbers": claims.NUMBER_COLUMNS,
    "published_values": published_values.COLUMNS,
}


def claims_of(experiment: str) -> list[claims.Claim]:
    """The claims that an experiment's table decides; none where its folder has no `claims.py`."""
    module = _module(experiment)
    return module.CLAIMS if module else []


def score(folder: Path, configuration: Configuration | None = None) -> dict[str, pd.DataFrame]:
    """Decide the claims of `showing.shown_from`'s experiments, and compare with what was published.

    Returns the tables of `FILES` and writes each beside the tables it was made from, as CSV with a companion that
    says from which. Raises `UserError` when the images have changed between two of them.
    """
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in FILES}
    made_from = {}
    seen: dict[str, tuple[str, str]] = {}  # settings of images -> their checksums, and which experiment saw them
    for name in showing.shown_from(folder, configuration):
        table, provenance = showing.read(folder, name, configuration)
        _same_images(folder, name, provenance, seen)
        made_from[name] = origin(provenance)
        module = _module(name)
        if module is None:
            continue
        item, scale = catalogue.entry(name).item, claims.Scale.of(provenance)
        cards, numbers = claims.judge(item, module.CLAIMS, table, scale, sources.subject(name, provenance))
        parts["scorecard"].append(cards)
        parts["scorecard_numbers"].append(numbers)
        if hasattr(module, "published"):
            parts["published_values"].append(published_values.compare(item, module.published, table, scale))
    found = {
        name: pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(FILES[name]))
        for name, frames in parts.items()
    }
    found["scorecard"] = claims.corrected(found["scorecard"])
    for name, frame in found.items():
        tables.write(folder / f"{name}.csv", frame, FILES[name], {"tables": made_from})
    return found


def read(folder: Path, measured: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, pd.DataFrame]:
    """The tables of `FILES` as `score` wrote them.

    `measured` has the provenance of each experiment's table, if they are at hand. Raises `UserError` when a file is
    missing, damaged or of an older version, or was made from other tables than these.
    """
    again = f"make it with: python -m repro scorecard --tables {folder}"
    found = {}
    for name, columns in FILES.items():
        path = folder / f"{name}.csv"
        try:
            found[name], provenance = tables.read(path)
        except UserError:
            raise UserError(f"{path} is missing, damaged or without its companion; {again}") from None
        if list(found[name].columns) != list(columns):
            raise UserError(f"{path} is of another version of this package; {again}")
        made_from = provenance["tables"]
        if any(made_from.get(experiment) != origin(its) for experiment, its in (measured or {}).items()):
            raise UserError(f"{path} was not made from the tables that are in {folder} now; {again}")
    return found


def origin(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a table from one that was measured at another time."""
    return {"finished": provenance["finished"], "revision": provenance["revision"]}


def told(found: dict[str, pd.DataFrame]) -> list[str]:
    """The scorecard in a few lines: a line of verdicts for each kind of claim, and one on their multiplicity."""
    cards = found["scorecard"]
    lines = []
    for kind, row in claims.counts(cards).iterrows():
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in row.items() if count)
        lines.append(f"{kind}: {verdicts}")
    reproduced = cards[cards["verdict"] == "reproduced"]
    surviving = int((reproduced["p_holm"] < 0.05).sum())
    lines.append(f"Of {len(reproduced)} reproduced, {surviving} hold at 5 % within their kind together (Holm).")
    return lines


def _module(experiment: str) -> Any:
    name = f"repro.experiments.{experiment}.claims"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def _same_images(folder: Path, name: str, provenance: dict[str, Any], seen: dict[str, tuple[str, str]]) -> None:
    images = json.dumps([recipe["images"] for recipe in provenance["settings"].get("recipes", {}).values()][:1])
    checksum = (provenance["data"] or {}).get("checksum", "")
    known, other = seen.setdefault(images, (checksum, name))
    if known != checksum:
        raise UserError(
            f"{name} and {other} were measured on different images, although their settings are the same: the "
            f"images have changed; delete {folder} and measure again."
        )
