"""Settings and columns of Table 1."""

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, whole
from repro.settings.types import Count, LayerNumber

ITEM = "table1"
TABLE = "csv"
PAPER_LAYERS = (18, 54, 90)


class Settings(NetworkSettings):
    """Settings of Table 1."""

    seeds: Count = Field(8, description="Networks of each recipe, each with a mini-batch of its own.")
    layers: list[LayerNumber] | None = Field(
        None, description="Layers; null: the paper's 18, 54 and 90, or their like at another depth."
    )


COLUMNS = {
    "depth": whole("depth of the network"),
    "layer": whole("layer by the paper's numbers"),
    "summands": whole("number n of summands of each kernel entry's gradient: images x rows x columns of the output"),
    "a": number("mean over kernel entries of (1/n) sum |d|"),
    "b": number("mean over kernel entries of |(1/n) sum d|"),
    "ratio": number("a / b, at least 1"),
}
