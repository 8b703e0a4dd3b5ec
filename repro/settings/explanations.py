"""What is wrong with a configuration, in sentences."""

import difflib
import re
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


def explain(detail: Any, model: type[BaseModel], above: str = "") -> str:
    """One clause about one of `ValidationError.errors()` of a model: path, what is wrong, what is allowed.

    `above` is the path of the model itself.
    """
    location = [str(part) for part in detail["loc"]]
    shown = [part if part.isprintable() and len(part) <= 100 else _shortened(part) for part in location]
    path = ".".join([above, *shown] if above else shown)
    message = str(detail["msg"])
    if detail["type"] == "extra_forbidden":
        allowed = sorted(_fields_at(location[:-1], model))
        close = difflib.get_close_matches(location[-1], allowed, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        return f"{path} is not a setting; {hint}allowed here: {', '.join(allowed) or 'nothing'}"
    if detail["type"] == "missing":
        return f"{path} is missing; add it"
    if detail["type"] == "value_error":
        message = message.removeprefix("Value error, ")
        given = detail["input"]
        return (
            (f"{path}: " if path else "")
            + message
            + (f" (given: {_shortened(given)})" if isinstance(given, int | float | str) else "")
        )
    message = re.sub(r"^\w+ should", "should", message)  # pydantic's `Input should`, `List should`
    return f"{path} {message} (given: {_shortened(detail['input'])})"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _fields_at(location: list[str], model: Any) -> list[str]:
    """The settings allowed at a path, following lists through their items."""
    for part in location:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = section_of(model.model_fields[part].annotation)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def section_of(annotation: Any) -> Any:
    """The section class inside an annotation such as `list[Section]`, or the annotation itself."""
    if get_origin(annotation) in (list, Union, Annotated):
        for argument in get_args(annotation):
            found = section_of(argument)
            if isinstance(found, type) and issubclass(found, BaseModel):
                return found
    return annotation
