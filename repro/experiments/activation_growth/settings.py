"""Settings and columns of Figure 5."""

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, whole
from repro.settings.types import Count

ITEM = "fig5"
TABLE = "parquet"


class Settings(NetworkSettings):
    """Settings of Figure 5."""

    seeds: Count = Field(20, description="Networks of each recipe, seeds 0, 1, ...")


COLUMNS = {
    "layer": whole("layer by the paper's numbers; the last is the classifier"),
    "channel": whole("output channel of the layer"),
    "mean": number("mean of the raw output over batch and space, before any normalisation and ReLU"),
    "variance": number("variance (divided by n) of the same"),
}
