"""Settings and columns of Figure 9."""

from pydantic import Field

from repro.settings.experiment import number, text, whole
from repro.settings.types import Count, Section

ITEM = "fig9"
TABLE = "parquet"


class Settings(Section):
    """Settings of Figure 9."""

    size: Count = Field(1000, description="Size N of the square Gaussian matrices.")
    factors: list[Count] = Field([1, 3, 5], min_length=1, description="Numbers M of multiplied matrices.")
    draws: Count = Field(10, description="Independent products pooled in each histogram.")


COLUMNS = {
    "size": whole("N of the N x N Gaussian matrices with entries of variance 1/N"),
    "factors": whole("number M of multiplied matrices"),
    "sample": text("`drawn`: by the accurate method; `reference`: further products, for the goodness of fit only"),
    "draw": whole("number of the independent product"),
    "singular_value": number("a singular value of the product; those `drawn` are accurate relative to themselves"),
}
