"""A dashboard against Grafana's own schema: the models that are generated from it, which the extra `deploy` brings.

Those models believe what they read: they leave out what they do not know, and look at no value. So a dashboard is read,
written and compared, which shows what is unknown, and each value is held against the type that its model names."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

OF_A_KIND = ("options", "custom")
"""Members whose model depends on the kind of panel; of an unknown kind they stay as they were read."""


def complaints(dashboard: dict[str, Any]) -> list[str]:
    """What Grafana does not know, or takes to be of another type, each with its place. Skips the test where the models
    are not installed."""
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    encoder, plugins = map(import_module, ("grafana_foundation_sdk.cog.encoder", "grafana_foundation_sdk.cog.plugins"))
    plugins.register_default_plugins()
    read = models.Dashboard.from_json(dashboard)
    written = json.loads(json.dumps(read, cls=encoder.JSONEncoder))
    return [*_changed(dashboard, written, ""), *_mistyped(read, "")]


def _changed(before: Any, after: Any, place: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            if name not in after:
                yield f"{place}/{name} is unknown"
            else:
                yield from _changed(value, after[name], f"{place}/{name}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changed(one, other, f"{place}/{number}")
    elif before != after:
        yield f"{place} is {before!r}, and would be {after!r}"


def _mistyped(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _mistyped(each, f"{place}/{number}")
    elif type(value).__module__.startswith("grafana_foundation_sdk.") and not isinstance(value, Enum):
        hints = get_type_hints(type(value).__init__)
        for name, each in vars(value).items():
            if not _fits(each, hints.get(name, object)):
                yield f"{place}/{name} is {each!r}, not {hints[name]}"
            if name in OF_A_KIND and isinstance(each, dict) and each:
                yield f"{place}/{name} belongs to no kind of panel that is known"
            yield from _mistyped(each, f"{place}/{name}")


def _fits(value: Any, type: Any) -> bool:
    origin, members = get_origin(type), get_args(type)
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in members)
    if origin is Literal:
        return value in members
    if origin is list:
        return isinstance(value, list) and all(_fits(each, members[0]) for each in value)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(each, members[1]) for each in value.values())
    if issubclass(type, Enum):
        return value in [each.value for each in type]
    if type in (int, float):
        return isinstance(value, int | type) and not isinstance(value, bool)
    return isinstance(value, type)
