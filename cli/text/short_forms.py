"""Values and ids in few words."""

from typing import Any

import orjson


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


def joined(*parts: str | None) -> str:
    """What there is, with dots between."""
    return " · ".join(part for part in parts if part)
