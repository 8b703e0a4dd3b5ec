"""Settings and columns of Table 1 for single kernel entries."""

from pydantic import Field

from repro.settings.experiment import NetworkSettings, number, whole
from repro.settings.types import Count, LayerNumber

ITEM = "entries"
TABLE = "csv"
PAPER_LAYERS = (18, 54, 90)  # Table 1's
PERCENTS = (1, 5, 25, 50, 75, 95, 99)


def column(percent: int) -> str:
    """The column of a percentile."""
    return f"percentile_{percent}"


class Settings(NetworkSettings):
    """Settings of Table 1 for single kernel entries (Appendix J)."""

    seeds: Count = Field(8, description="Networks of each recipe, each with a mini-batch of its own.")
    layers: list[LayerNumber] | None = Field(
        None, min_length=1, description="Layers; null: the paper's 18, 54 and 90, or their like at another depth."
    )


COLUMNS = {
    "depth": whole("depth of the network"),
    "layer": whole("layer by the paper's numbers"),
    "summands": whole("number n of summands d of each kernel entry's gradient: images x rows x columns of the output"),
    "entries": whole("kernel entries"),
    "undefined": whole("entries all of whose summands are 0, which have no ratio and are left out"),
} | {
    column(percent): number(
        f"{percent} % of the entries have at most this ratio of (1/n) sum |d| to |(1/n) sum d|, at least 1; infinite "
        "where d cancels exactly; missing where float32 overflows or no entry has a ratio"
    )
    for percent in PERCENTS
}
