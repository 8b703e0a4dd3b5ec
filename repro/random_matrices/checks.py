"""Checks of arguments that several modules share: each gives a number that can be used, or one clear ValueError."""

from numbers import Integral, Real


def whole_number(name: str, value: object, *, least: int = 1) -> int:
    """`value` as an int.

    Args:
        name: what the number is, for the message.
        value: an integer, or a real number without a fraction (3.0 is taken for 3).
        least: smallest number allowed.

    Raises:
        ValueError: for anything else, NaN and infinity included.
    """
    whole = isinstance(value, Integral) or (isinstance(value, Real) and float(value).is_integer())
    if not whole or int(value) < least:  # type: ignore[call-overload]
        raise ValueError(f"{name} must be an integer of at least {least}, got {value}.")
    return int(value)  # type: ignore[call-overload]
