"""Settings and columns of the singular values of each convolution."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, text, whole
from repro.settings.types import Count

ITEM = "operators"
TABLE = "csv"


class Settings(NetworkSettings):
    """Settings of the singular values of each convolution."""

    recipes: list[dict[str, Any]] = Field(
        [
            {"initialisation": initialisation, "normalisation": "none"}
            for initialisation in ("xavier_normal", "kaiming_normal", "orthogonal", "pytorch_default")
        ],
        min_length=1,
        description="Networks that are compared: what each has in place of the base recipe's settings. Untrained "
        "kernels do not depend on the normalisation.",
    )
    seeds: Count = Field(1, description="Networks of each recipe, seeds 0, 1, ...")
    every: Count = Field(1, description="Examine each so many-th convolution, from the first on.")


COLUMNS = {
    "initialisation": text("of the kernel"),
    "layer": whole("convolution by the paper's numbers"),
    "channels_in": whole("input channels"),
    "channels_out": whole("output channels"),
    "side": whole("pixels along a side of the input's grid; outside it the input is zero"),
    "stride": whole("of the convolution"),
    "dimension": whole("number of singular values"),
    "norm": number("largest singular value"),
    "smallest": number(
        "smallest singular value; missing where it lies more than five decades below the largest of an operator that "
        "is not square"
    ),
    "condition": number("their ratio"),
    "effective_rank": number(
        "exp of the entropy of the shares sigma^2 / sum sigma^2, by stochastic Lanczos quadrature"
    ),
    "effective_rank_error": number("its standard error over the quadrature's random vectors"),
}
