"""The gradient of the loss with respect to the logits, and the predictions."""

import numpy as np
import pandas as pd
import torch

from repro.experiments.output_gradients.settings import COLUMNS, Settings
from repro.instruments import probes
from repro.training.snapshots import Snapshot


def measure(snapshot: Snapshot, settings: Settings) -> pd.DataFrame:
    """dL/dO[b,j] = (softmax(O[b])[j] - [j = label of b]) / batch, one row per image b and class j."""
    images, labels = snapshot.mini_batch()
    classifier = snapshot.recipe.depth
    _, records = probes.capture_gradients(snapshot.network, images, labels, [classifier])
    record = records[classifier]
    image, class_ = np.indices(record.output.shape, dtype=np.int16).reshape(2, -1)
    table = pd.DataFrame({"image": image, "label": labels.cpu().numpy()[image], "class": class_})
    table["probability"] = torch.softmax(record.output.double(), dim=1).cpu().numpy().ravel()
    table["gradient"] = record.output_gradient.cpu().numpy().ravel()
    return table[list(COLUMNS)]
