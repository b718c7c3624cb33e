"""The difference between two JSON values, as a JSON Patch (RFC 6902).

Not the shortest patch there is, but one that is found in a single pass: objects member by member; arrays by what they
have in common at both ends, and in the midst place by place. Applied to the one value it makes the other.
"""

from typing import Any

from .patch import Operation, same
from .pointer import pointer


def difference(before: Any, after: Any) -> list[Operation]:
    """Operations that make `after` of `before`; none where they are the same."""
    operations: list[Operation] = []
    _compare(before, after, "", operations)
    return operations


def _compare(before: Any, after: Any, path: str, operations: list[Operation]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        _objects(before, after, path, operations)
    elif isinstance(before, list) and isinstance(after, list):
        _arrays(before, after, path, operations)
    elif not same(before, after):
        operations.append({"op": "replace", "path": path, "value": after})


def _objects(before: dict[str, Any], after: dict[str, Any], path: str, operations: list[Operation]) -> None:
    for name in before:
        if name not in after:
            operations.append({"op": "remove", "path": path + pointer([name])})
    for name, value in after.items():
        where = path + pointer([name])
        if name in before:
            _compare(before[name], value, where, operations)
        else:
            operations.append({"op": "add", "path": where, "value": value})


def _arrays(before: list[Any], after: list[Any], path: str, operations: list[Operation]) -> None:
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and same(before[start], after[start]):
        start += 1
    end = 0
    while end < shorter - start and same(before[-1 - end], after[-1 - end]):
        end += 1
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    for number, (one, other) in enumerate(zip(old, new, strict=False), start):
        _compare(one, other, f"{path}/{number}", operations)
    for number in reversed(range(start + len(new), start + len(old))):
        operations.append({"op": "remove", "path": f"{path}/{number}"})
    for number, value in enumerate(new[len(old) :], start + len(old)):
        operations.append({"op": "add", "path": f"{path}/{number}", "value": value})
