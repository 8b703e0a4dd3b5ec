"""Settings and columns of Figure 8."""

from pydantic import Field

from repro.settings.experiment import number, whole
from repro.settings.types import Count, Section

ITEM = "fig8"
TABLE = "parquet"


class Settings(Section):
    """Settings of Figure 8."""

    factors: list[Count] = Field([1, 2, 3, 4, 5], min_length=1, description="Numbers M of multiplied matrices.")


COLUMNS = {
    "factors": whole("number M of multiplied N x N Gaussian matrices with entries of variance 1/N, N -> infinity"),
    "probability": number("share of squared singular values up to this one"),
    "squared_singular_value": number("x, the variable of Theorem 1 (which calls it a singular value)"),
    "squared_density": number("density of x"),
    "singular_value": number("square root of x"),
    "density": number("density of the singular value"),
}
