"""Settings and columns of the Jacobian's singular values with depth."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, text, whole
from repro.settings.types import Count

ITEM = "jacobian"
TABLE = "parquet"


class Settings(NetworkSettings):
    """Settings of the Jacobian's singular values with depth."""

    recipes: list[dict[str, Any]] = Field(
        [
            {"initialisation": initialisation, "normalisation": normalisation}
            for initialisation in ("xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default")
            for normalisation in ("batch", "none")
        ],
        min_length=1,
        description="Networks that are compared: what each has in place of the base recipe's settings. Claims are "
        "about the first initialisation.",
    )
    seeds: Count = Field(3, description="Networks of each recipe, each with a mini-batch of its own.")
    every: Count = Field(
        1, description="Examine each so many-th of nine states from the first block's to the last; the logits always."
    )
    steps: Count = Field(40, description="Lanczos steps from each start vector.")


COLUMNS = {
    "initialisation": text("of every convolution"),
    "layer": whole("the map ends at the state after this layer's block; the last layer: at the logits"),
    "log_std": number(
        "mean over channels of ln(standard deviation) of this layer's raw output over the mini-batch (Figure 5)"
    ),
    "dimension": whole("number of singular values, the smaller side of the Jacobian"),
    "probe": whole("random start vector of the stochastic Lanczos quadrature"),
    "singular_value": number(
        "node of the quadrature for the Jacobian at the mini-batch's first image, with BN's statistics of the "
        "mini-batch held fixed"
    ),
    "weight": number("the node's share of all singular values; the weights of a probe add up to 1"),
    "bound": number("within this distance of the node some singular value surely lies"),
}
