"""Values and ids in few words."""

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from ...domain.concepts.approvals import Answer


def compact(value: Any) -> str:
    """JSON on one line, as people write it."""
    return orjson.dumps(value).decode() if isinstance(value, str | int | float | bool | None) else _spaced(value)


def _spaced(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {compact(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(compact(each) for each in value) + "]"
    return orjson.dumps(value).decode()


def short(id: str) -> str:
    """An id as people tell it from others nearby: the end of a UUID, anything else whole."""
    return id[-6:] if len(id) == 36 and id.count("-") == 4 else id


def last_line(output: str) -> str:
    """The last line of what a tool put out that says something."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")


def joined(*parts: str | None) -> str:
    """What there is, with dots between."""
    return " · ".join(part for part in parts if part)


def answer_to(name: str, answer: "Answer") -> str:
    """The answer to one of several questions."""
    value = None if answer.value is None else compact(answer.value)
    return f"{name}: {joined(' + '.join(answer.options) or None, answer.words, value)}"
