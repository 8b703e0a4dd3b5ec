"""The tables that training writes: what they hold, and those of all conditions together."""

from typing import Any

import pandas as pd

from repro import jobs, tables
from repro.config import Configuration
from repro.errors import UserError

HISTORY_COLUMNS = {
    "condition": "normalisation and initial learning rate, as in the configuration",
    "normalisation": "`batch`, `none` or `final`",
    "initial_learning_rate": "learning rate at the first step",
    "epochs": "length of the training cycle, epochs",
    "seed": "seed of the weights, the data order and the augmentation",
    "status": "how the run ended: `finished` or `diverged`",
    "epoch": "epochs begun, from 1; a diverged run's last one is incomplete",
    "steps": "updates made until the end of this epoch",
    "learning_rate": "learning rate in this epoch",
    "train_loss": "mean cross-entropy of this epoch's mini-batches as they were trained on, nats",
    "train_accuracy": "share of this epoch's training images classified correctly as they were trained on",
    "test_loss": "mean cross-entropy of the test images after the epoch, with running averages, nats",
    "test_accuracy": "share of the test images classified correctly after the epoch, with running averages",
    "gradient_norm": "mean over this epoch's steps of the Euclidean norm of the loss gradient",
    "seconds": "time for this epoch, training and test, of all networks trained side by side, seconds",
}

MOMENT_COLUMNS = {
    "condition": "normalisation and initial learning rate, as in the configuration",
    "normalisation": "`batch`, `none` or `final`",
    "initial_learning_rate": "learning rate at the first step",
    "epochs": "length of the training cycle, epochs",
    "seed": "seed of the weights, the data order and the mini-batch that is looked at",
    "status": "how the run ended: `finished` or `diverged`",
    "epoch": "epochs completed; 0: at initialisation",
    "layer": "layer by the paper's numbers; the last is the classifier",
    "log_mean": "mean over channels of ln|channel mean| of the raw output, before any normalisation and ReLU",
    "log_standard_deviation": "mean over channels of ln(channel standard deviation) of the same",
}


def gather(configuration: Configuration, part: str = "") -> pd.DataFrame:
    """The tables `<condition><part>` that training wrote, one below the other, in order.

    Raises `UserError` when a condition is not trained yet, or was trained under other settings.
    """
    parts = [_read(configuration, condition.name, part) for condition in configuration.training.conditions]
    return pd.concat([table for table, _ in parts], ignore_index=True)


def origins(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """Condition -> what its table's provenance says beside the settings: images, device, revision, versions, weights.

    Raises `UserError` like `gather`, and when conditions were trained on different images.
    """
    found = {}
    for condition in configuration.training.conditions:
        _, provenance = _read(configuration, condition.name)
        found[condition.name] = {key: value for key, value in provenance.items() if key != "settings"}
    first, *others = found
    for other in others:
        if found[other]["data"] != found[first]["data"]:
            raise UserError(
                f"{other} and {first} were trained on different images; `python -m repro train` each again: "
                "what was trained on the present ones is kept."
            )
    return found


def _read(configuration: Configuration, condition: str, part: str = "") -> tuple[pd.DataFrame, dict[str, Any]]:
    path = tables.results_folder(configuration) / "training" / f"{condition}{part}.parquet"
    if not path.exists():
        raise UserError(f"{path} is missing; train it with `python -m repro train {condition}`.")
    table, provenance = tables.read(path)
    if provenance.get("settings") != jobs.for_condition(configuration, condition):
        raise UserError(f"{path} was trained under other settings; `python -m repro train {condition}` again.")
    return table, provenance
