"""Settings and columns of the Jacobians of toy networks against products of random matrices."""

from typing import Literal

from pydantic import Field

from repro.settings.experiment import number, text, whole
from repro.settings.types import Count, Section

ITEM = "analogy"
TABLE = "parquet"

# Those that the toy networks' square matrices can be drawn by.
Initialisation = Literal["xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default"]
# Kinds of toy networks, and what figures and tables call them.
KINDS = {
    "linear": "linear",
    "relu": "ReLU",
    "relu_batch": "ReLU and BN",
    "shortcut": "shortcuts",
    "shortcut_relu": "ReLU and shortcuts",
}


class Settings(Section):
    """Settings of the Jacobians of toy networks against products of random matrices."""

    width: Count = Field(200, description="Width N of the fully connected toy networks.")
    depths: list[Count] = Field([1, 2, 4, 8, 16, 32], min_length=1, description="Numbers M of weight matrices.")
    draws: Count = Field(10, description="Independent networks of each kind.")
    initialisations: list[Initialisation] = Field(
        ["xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default"],
        min_length=1,
        description="Initialisations that are compared.",
    )


COLUMNS = {
    "kind": text(
        "h' = W h (`linear`), relu(W h) (`relu`), relu(BN(W h)) (`relu_batch`), h + W h (`shortcut`), or "
        "relu(h + W2 relu(W1 h)) (`shortcut_relu`)"
    ),
    "initialisation": text("of the weights"),
    "width": whole("N of the N x N weight matrices"),
    "matrices": whole("number M of weight matrices that the map passes"),
    "draw": whole("number of the independent network; its depths share weights"),
    "singular_value": number("of the Jacobian, where it is not zero; the others up to N are exactly zero"),
}
