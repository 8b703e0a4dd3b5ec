"""Settings and columns of other normalisations beside batch normalisation and none."""

from typing import Any

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, whole
from repro.settings.types import LayerNumber

ITEM = "kinds"
TABLE = "csv"
PAPER_LAYER = 54  # the middle one of Table 1
KINDS = [
    "batch",
    "batch_renormalisation",
    "layer",
    "group",
    "instance",
    "weight_standardisation",
    "local_response",
    "skip_init",
    "none",
]


class Settings(NetworkSettings):
    """Settings of other normalisations beside batch normalisation and none (Appendix K, Table 4)."""

    recipes: list[dict[str, Any]] = Field(
        [{"normalisation": KINDS}],
        min_length=1,
        description="Networks that are compared: each a mapping of those fields of `recipe`, the base, in which it "
        "differs from it. A list in place of a value stands for one recipe with each of its values.",
    )
    layer: LayerNumber | None = Field(
        None, description=f"Layer of Table 1's ratio; null: the paper's {PAPER_LAYER}, or its like at another depth."
    )


COLUMNS = {
    "depth": whole("depth of the network"),
    "layer": whole("layer of `ratio`, by the paper's numbers"),
    "growth": number(
        "rise of the mean over channels of ln(standard deviation), of raw outputs, from the first to the last tenth of "
        "the convolutions (Figure 5); missing where float32 overflows"
    ),
    "ratio": number(
        "Table 1's a / b: mean over kernel entries of (1/n) sum |d|, over that of |(1/n) sum d|; at least 1; missing "
        "where float32 overflows or there is no gradient"
    ),
    "conditioning": number(
        "decades by which the condition number of the channels' second moments rises from the median of the first four "
        "convolutions after layer 1 to that of the last four; missing or infinite where float32 overflows or channels "
        "are linearly dependent"
    ),
}
