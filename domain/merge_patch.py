"""JSON Merge Patch (RFC 7386)."""

from typing import Any


def merge(target: Any, patch: Any) -> Any:
    """Return `target` changed by `patch`; neither is touched, and what did not change is shared between them."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def leaves(patch: Any, path: str = "") -> list[str]:
    """The JSON Pointers of the places that a merge patch writes."""
    if not isinstance(patch, dict) or not patch:
        return [path]
    return [
        leaf
        for name, value in patch.items()
        for leaf in leaves(value, f"{path}/{name.replace('~', '~0').replace('/', '~1')}")
    ]
