"""Types of settings: each refuses what it cannot mean with a sentence."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

PACKAGE = Path(__file__).resolve().parent.parent
STAGE_CHANNELS = (16, 32, 64)  # of the residual networks
LARGEST_DEPTH = 1202  # He et al. 2016; deeper ones eat the memory of any machine


class Section(BaseModel):
    """A group of settings; unknown keys and implicit conversions are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _number(value: object) -> object:
    """YAML 1.1 reads `1e-4` (no dot) as a string; a number written like that is a number here."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value.strip()):
        return float(value)
    return value


def _depth(value: int) -> int:
    if value > LARGEST_DEPTH:
        raise ValueError(f"must be at most {LARGEST_DEPTH}")
    if (value - 2) % 6 or value < 8:
        below = max(8, (value - 2) // 6 * 6 + 2)
        raise ValueError(f"must be 6n+2 with n >= 1, like 8, 20, 32, 56 or 110; nearest: {below} or {below + 6}")
    return value


def _groups(value: int) -> int:
    for channels in STAGE_CHANNELS:
        if value < 1 or channels % value:
            divisors = ", ".join(str(each) for each in range(1, 17) if STAGE_CHANNELS[0] % each == 0)
            raise ValueError(f"must divide the {channels} channels of a stage; choose one of {divisors}")
    return value


def _bounded(value: int) -> int:
    if value > 1_000_000_000:
        raise ValueError("must be at most 1000000000")
    return value


def _distinct(values: list[float]) -> list[float]:
    shown = [f"{value:g}" for value in values]  # as in file names
    for value in shown:
        if shown.count(value) > 1:
            raise ValueError(f"{value} is listed {shown.count(value)} times; keep one")
    return values


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line of printable characters")
    return value


# The range comes first: only then does the JSON schema state it.
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_number)]
NonNegativeNumber = Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_number)]
Fraction = Annotated[float, Field(ge=0, lt=1), BeforeValidator(_number)]
Share = Annotated[float, Field(ge=0, le=1), BeforeValidator(_number)]
PositiveShare = Annotated[float, Field(gt=0, le=1), BeforeValidator(_number)]
Shares = Annotated[list[Share], AfterValidator(_distinct)]
PositiveShares = Annotated[list[PositiveShare], AfterValidator(_distinct)]
Count = Annotated[int, Field(ge=1), AfterValidator(_bounded)]
BatchSize = Annotated[int, Field(ge=2), AfterValidator(_bounded)]
Groups = Annotated[int, AfterValidator(_groups)]
Depth = Annotated[int, AfterValidator(_depth)]
LayerNumber = Annotated[int, Field(ge=1)]
Text = Annotated[str, AfterValidator(_printable)]


def kinds(room: str) -> list[str]:
    """The kinds that a folder below `repro/networks` holds, one module each: `batch`, `none`, ... of `normalisation`.

    Read from file names, so that nothing is imported and adding a kind touches nothing else.
    """
    return sorted(path.stem for path in (PACKAGE / "networks" / room).glob("*.py") if not path.stem.startswith("_"))


def kind_of(room: str) -> Any:
    """The type of a setting that names one of `kinds(room)`."""

    def known(value: str) -> str:
        if value not in kinds(room):
            raise ValueError(f"should be one of {', '.join(kinds(room))}, the modules in repro/networks/{room}")
        return value

    return Annotated[str, AfterValidator(known)]
