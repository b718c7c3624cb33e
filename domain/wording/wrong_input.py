"""What is wrong with input that a model refused, in sentences of our own.

pydantic's messages speak of its classes ("a valid dictionary or instance of OpenSession", "Extra inputs are not
permitted"). Here each kind of error has words that say what should be there; the values that were sent are never said
again, since a refusal may be logged, or shown to others.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from .patterns import words_of

MAX_SAID = 3
MAX_READ = 1_000
"""With more faults they are only counted: to read them takes 7 µs each, and a message may have a million."""
MAX_STEPS = 8
MAX_STEP_CHARS = 40

_WORDS: dict[str, str] = {
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "dict_type": "should be an object",
    "extra_forbidden": "is not known here",
    "finite_number": "should be a finite number",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "greater_than": "should be more than {gt}",
    "greater_than_equal": "should be {ge} or more",
    "int_from_float": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_parsing_size": "should be a whole number of fewer digits",
    "int_type": "should be a whole number",
    "invalid-json-value": "should be JSON",
    "invalid_key": "should have texts for its keys",
    "less_than": "should be less than {lt}",
    "less_than_equal": "should be {le} or less",
    "list_type": "should be a list",
    "literal_error": "should be {expected}",
    "missing": "is missing",
    "model_attributes_type": "should be an object",
    "model_type": "should be an object",
    "recursion_loop": "should not contain itself",
    "string_too_long": "should have at most {max_length} characters",
    "string_too_short": "should have at least {min_length} characters",
    "string_type": "should be text",
    "string_unicode": "should be text in UTF-8",
    "too_long": "should have at most {max_length} of them",
    "too_short": "should have at least {min_length} of them",
    "tuple_type": "should be a list",
    "union_tag_invalid": "should have as {discriminator} one of {expected_tags}",
    "union_tag_not_found": "should have {discriminator}, which says what it is",
}
"""What is said of each kind of error, with what pydantic tells of it."""
_OTHERWISE = "is not of the right form"


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """The first three things wrong, in one sentence. Of the `model` that was asked it says what is known, where
    something else was sent."""
    if error.error_count() > MAX_READ:
        return f"it has {error.error_count():,} faults"
    found = error.errors(include_url=False, include_input=False)
    said = "; ".join(_fault(each) for each in found[:MAX_SAID])
    said = "".join(sign if sign.isprintable() else "�" for sign in said)
    more = f" (and {len(found) - MAX_SAID} more)" if len(found) > MAX_SAID else ""
    unknown = any(each["type"] == "extra_forbidden" and len(each["loc"]) == 1 for each in found[:MAX_SAID])
    return said + more + (_known(model) if model is not None and unknown else "")


def _fault(found: Mapping[str, Any]) -> str:
    place, words = _place(found["loc"]), _said(found["type"], found.get("ctx", {}))
    return f"{place}: {words}" if place else words


def _known(model: type[BaseModel]) -> str:
    names = [field.alias or name for name, field in model.model_fields.items()]
    return f"; known are {', '.join(names)}" if names else ""


def _said(type: str, told: Mapping[str, Any]) -> str:
    special = _SPECIAL.get(type)
    if special is not None:
        return special(told)
    return _WORDS.get(type, _OTHERWISE).format_map({name: _shown(value) for name, value in told.items()})


def _shown(value: object) -> object:
    """A bound of a number with a fraction may be whole, and is written so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_SPECIAL: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "assertion_error": lambda told: str(told["error"]),
    "string_pattern_mismatch": lambda told: f"should be {words_of(told['pattern'])}",
    "value_error": lambda told: str(told["error"]),
}


def _place(steps: tuple[int | str, ...]) -> str:
    """Where something is wrong. Names of members are the sender's, and may be of any length."""
    shown = ".".join(str(step)[:MAX_STEP_CHARS] for step in steps[:MAX_STEPS])
    return shown + "…" if len(steps) > MAX_STEPS else shown
