"""Settings and columns of the condition number against the number of factors (Appendix K)."""

from pydantic import Field

from repro.settings.experiment import number, whole
from repro.settings.types import Count, Section

ITEM = "condition_number"
TABLE = "csv"


class Settings(Section):
    """Settings of the condition number against the number of factors (Appendix K)."""

    sizes: list[Count] = Field([100], min_length=1, description="Sizes N of the square Gaussian matrices.")
    factors: list[Count] = Field(
        [1, 2, 4, 8, 16, 32, 64], min_length=1, description="Numbers M of multiplied matrices."
    )
    draws: Count = Field(10, description="Independent products of each size and length.")


COLUMNS = {
    "size": whole("N of the N x N Gaussian matrices with entries of variance 1/N"),
    "factors": whole("number M of multiplied matrices"),
    "draw": whole("number of the chain; the products of one chain share factors"),
    "log10_largest": number("decimal logarithm of the largest singular value"),
    "log10_smallest": number("decimal logarithm of the smallest singular value"),
    "log10_condition": number("decimal logarithm of their ratio, the condition number"),
}
