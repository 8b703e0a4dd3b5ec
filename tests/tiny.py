"""A configuration that goes through everything in seconds, and results made under it."""

import json
from typing import Any

SETTINGS: dict[str, Any] = {
    "name": "tiny",
    "device": "cpu",
    "recipe": {
        "depth": 8,
        "batch_size": 16,
        "epochs": 1,
        "images": {"source": "synthetic", "train_images": 60, "test_images": 20},
    },
    "training": {"keep": [1.0]},
    "experiments": {
        "training_curves": {"seeds": 1, "recipes": [{}]},
        "activation_growth": {"seeds": 1, "after": [0, 1.0], "recipes": [{}]},
        "input_independence": {"seeds": 2},
        "limiting_spectrum": {},
        "condition_growth": {"sizes": [10], "factors": [1, 2, 4], "draws": 3},
    },
}
TINY = json.dumps(SETTINGS)
