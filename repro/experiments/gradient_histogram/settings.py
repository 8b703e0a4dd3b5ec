"""Settings and columns of Figure 2."""

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, whole
from repro.settings.types import Count, LayerNumber

ITEM = "fig2"
TABLE = "parquet"
PAPER_LAYER = 55


class Settings(NetworkSettings):
    """Settings of Figure 2."""

    seeds: Count = Field(
        30, description="Networks of each recipe, pooled in the histogram, each with a mini-batch of its own."
    )
    layer: LayerNumber | None = Field(
        None, description=f"Layer; null: the paper's {PAPER_LAYER}, or its like at another depth."
    )


COLUMNS = {
    "depth": whole("depth of the network"),
    "layer": whole("layer by the paper's numbers"),
    "output_channel": whole("the kernel's output channel"),
    "input_channel": whole("the kernel's input channel"),
    "y": whole("row within the kernel"),
    "x": whole("column within the kernel"),
    "gradient": number("derivative of the mini-batch's mean loss with respect to this weight"),
}
