"""Writes a number to a place of a JSON document, as counters do."""

from typing import Any

from .patch import apply_patch
from .pointer import resolve

_MISSING = object()


def with_number(document: dict[str, Any], path: str, number: int | float) -> dict[str, Any]:
    """The document with this number at a place, made of objects as far as there is nothing yet. Raises PatchFailed."""
    above = path.rpartition("/")[0]
    missing: list[dict[str, Any]] = []
    while (container := resolve(document, above, _MISSING)) is _MISSING:
        missing.insert(0, {"op": "add", "path": above, "value": {}})
        above = above.rpartition("/")[0]
    # A counter may begin in an object; in an array it would have to push something aside.
    if isinstance(container, list):
        operations = [{"op": "replace", "path": path, "value": number}]
    else:
        operations = [*missing, {"op": "add", "path": path, "value": number}]
    patched: dict[str, Any] = apply_patch(document, operations).value
    return patched
