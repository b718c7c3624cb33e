"""JSON Merge Patch (RFC 7386)."""

from typing import Any

from .pointer import pointer


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


def leaves(target: Any, patch: Any, path: str = "") -> list[str]:
    """The JSON Pointers of the places that `patch` writes in `target`: an object that meets one is not replaced, only
    its members are; anything else is."""
    if not isinstance(patch, dict) or not isinstance(target, dict) or not patch:
        return [path]
    return [leaf for name, value in patch.items() for leaf in leaves(target.get(name), value, path + pointer([name]))]
