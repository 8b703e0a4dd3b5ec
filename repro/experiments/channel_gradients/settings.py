"""Settings and columns of Figure 7."""

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, whole
from repro.settings.types import Count, LayerNumber

ITEM = "fig7"
TABLE = "parquet"
PAPER_LAYER = 45


class Settings(NetworkSettings):
    """Settings of Figure 7."""

    seeds: Count = Field(5, description="Networks of each recipe; the heat map shows the first, the summary all.")
    layer: LayerNumber | None = Field(
        None, description=f"Layer; null: the paper's {PAPER_LAYER}, or its like at another depth."
    )


COLUMNS = {
    "layer": whole("layer by the paper's numbers"),
    "input_channel": whole("input channel i of the kernel"),
    "output_channel": whole("output channel o of the kernel"),
    "magnitude": number(
        "M[i,o]: sum over the kernel's positions of the absolute gradient of the mini-batch's mean loss"
    ),
    "input_mean": number("mean over batch and space of the convolution's input in channel i"),
    "output_gradient": number(
        "mean over batch and space of the absolute derivative of the loss with respect to the convolution's output "
        "in channel o"
    ),
}
