"""JSON Patch (RFC 6902) over documents that are never changed in place.

A patch is folded again each time that its session is rebuilt, so what it means may never change with the version of a
library: that is why it is applied here. Containers are copied before they are first changed, and only those, so the
patched document shares the rest with the one before. The paths that changed are named, and a patch that copies a
document into itself until it bursts is stopped while it is being applied.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import orjson

from ..errors import PatchFailed, TooDeep, TooLarge
from .pointer import index, resolve, tokens

MAX_COPIED_BYTES = 1_000_000

Operation = dict[str, Any]
_ABSENT = object()
_TELLING = (bool, dict, list)  # what else is equal is the same


class Patched(NamedTuple):
    """A patched document, and the JSON Pointers of the places that changed in it."""

    value: Any
    paths: list[str]


def apply_patch(document: Any, patch: Sequence[Operation], *, bounded: bool = True) -> Patched:
    """Apply `patch`; neither it nor `document` is touched, and the result may share parts of both.

    Raises PatchFailed, naming the operation, when one does not apply; if `bounded`, TooLarge when its copies add more
    than `MAX_COPIED_BYTES`, and TooDeep. An insertion into or removal from an array changes the whole array, since it
    moves what stands behind it.
    """
    patching = Patching(document, patch, bounded=bounded)
    patching.go_on(len(patch))
    return patching.patched


class Patching:
    """A patch while it is applied: the same as `apply_patch`, a few operations at a time."""

    def __init__(self, document: Any, patch: Sequence[Operation], *, bounded: bool = True) -> None:
        self._draft = _Draft(document, MAX_COPIED_BYTES if bounded else None)
        self._operations = enumerate(patch)
        self._paths: dict[str, None] = {}

    @property
    def patched(self) -> Patched:
        """What it comes to, once all is done."""
        return Patched(self._draft.root, list(self._paths))

    def go_on(self, most: int) -> bool:
        """Apply so many operations more; returns whether there were as many."""
        done = 0
        for number, operation in islice(self._operations, most):
            try:
                self._paths.update(dict.fromkeys(_apply(self._draft, operation)))
            except PatchFailed as failure:
                what = f"Operation {number} ({operation.get('op')!r} at {operation.get('path')!r})"
                raise PatchFailed(f"{what} does not apply: {failure.detail}", operation=number) from None
            done += 1
        return done == most


class _Draft:
    """A document while it is patched. `_own` are the containers that belong to this draft alone, by identity: only
    they are changed. It keeps them alive, so that no identity is given out twice. What an own container stands in is
    own as well."""

    def __init__(self, root: Any, budget: int | None) -> None:
        self.root = root
        self.budget = budget
        self._own: dict[int, Any] = {}

    def container(self, parts: list[str]) -> Any:
        """The array or object in which the last token of `parts` stands, made this draft's own."""
        here = self.root = self._owned(self.root)
        for token in parts[:-1]:
            key = _key(here, token)
            here[key] = self._owned(here[key])
            here = here[key]
        return here

    def share(self, value: Any) -> None:
        """Give up what is owned of a value that is about to stand in two places; what is around it stays own, or each
        of many copies would have the whole document copied again."""
        level = [value]
        while level:
            owned = [each for each in level if self._own.pop(id(each), None) is not None]
            inside = [each.values() if isinstance(each, dict) else each for each in owned]
            level = [inner for values in inside for inner in values if isinstance(inner, dict | list)]

    def _owned(self, value: Any) -> Any:
        if not isinstance(value, dict | list):
            raise PatchFailed("the path leads through a value that is no array or object.")
        if id(value) in self._own:
            return value
        copy = value.copy()
        self._own[id(copy)] = copy
        return copy


def _apply(draft: _Draft, operation: Operation) -> list[str]:
    """Apply one operation and name the paths that changed."""
    path = _pointer(operation, "path")
    match operation.get("op"):
        case "add":
            return [_add(draft, path, _value(operation))]
        case "remove":
            return [_remove(draft, path)]
        case "replace":
            return [_replace(draft, path, _value(operation))]
        case "move":
            return _move(draft, _pointer(operation, "from"), path)
        case "copy":
            return [_copy(draft, _pointer(operation, "from"), path)]
        case "test":
            if not same(_read(draft, path), _value(operation)):
                raise PatchFailed("the value there is another.")
            return []
    raise PatchFailed("there is no such operation.")


def _add(draft: _Draft, path: str, value: Any) -> str:
    if path == "":
        draft.root = value
        return path
    parts = tokens(path)
    container = draft.container(parts)
    if isinstance(container, dict):
        container[parts[-1]] = value
        return path
    place = len(container) if parts[-1] == "-" else index(parts[-1])
    if place is None or place > len(container):
        raise PatchFailed("that is no place in the array.")
    container.insert(place, value)
    return _above(path)


def _remove(draft: _Draft, path: str) -> str:
    if path == "":
        raise PatchFailed("the root cannot be removed.")
    parts = tokens(path)
    container = draft.container(parts)
    del container[_key(container, parts[-1])]
    return path if isinstance(container, dict) else _above(path)


def _replace(draft: _Draft, path: str, value: Any) -> str:
    if path == "":
        draft.root = value
        return path
    parts = tokens(path)
    container = draft.container(parts)
    container[_key(container, parts[-1])] = value
    return path


def _move(draft: _Draft, source: str, path: str) -> list[str]:
    value = _read(draft, source)
    if source == path:
        return []
    if path.startswith(f"{source}/"):
        raise PatchFailed("a value cannot be moved into itself.")
    if path == "":
        draft.root = value
        return [path]
    return [_remove(draft, source), _add(draft, path, value)]


def _copy(draft: _Draft, source: str, path: str) -> str:
    value = _read(draft, source)
    if draft.budget is not None:
        draft.budget -= _size(value)
        if draft.budget < 0:
            raise TooLarge(f"The copies of one patch add at most {MAX_COPIED_BYTES:,} bytes.")
    draft.share(value)
    return _add(draft, path, value)


def _size(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except TypeError:  # a few copies of a value into itself nest it beyond what can be written
        raise TooDeep("What a patch copies is nested too deeply.") from None


def same(one: Any, other: Any) -> bool:
    """Equality as RFC 6902 has it: numbers by value, and true is no number."""
    # Python's own equality is as quick as it gets, and only takes true for 1.
    return one is other or (bool(one == other) and _are_booleans_alike(one, other))


def _are_booleans_alike(one: Any, other: Any) -> bool:
    """Whether two values, equal but for that, have booleans in the same places."""
    if isinstance(one, dict):
        one, other = list(one.values()), [other[name] for name in one]
    elif not isinstance(one, list):
        return isinstance(one, bool) == isinstance(other, bool)
    kinds = {*map(type, one), *map(type, other)}
    return kinds.isdisjoint(_TELLING) or all(map(_are_booleans_alike, one, other))


def _pointer(operation: Operation, member: str) -> str:
    path = operation.get(member)
    if not isinstance(path, str):
        raise PatchFailed(f"it needs a {member!r}, which is a string.")
    return path


def _value(operation: Operation) -> Any:
    if "value" not in operation:
        raise PatchFailed("it needs a 'value'.")
    return operation["value"]


def _read(draft: _Draft, path: str) -> Any:
    value = resolve(draft.root, path, _ABSENT)
    if value is _ABSENT:
        raise PatchFailed(f"there is nothing at {path!r}.")
    return value


def _key(container: Any, token: str) -> Any:
    """The member or index that `token` names in `container`; it must be there."""
    if isinstance(container, dict):
        if token in container:
            return token
    elif (place := index(token)) is not None and place < len(container):
        return place
    raise PatchFailed(f"there is no {token!r} there.")


def _above(path: str) -> str:
    return path.rpartition("/")[0]
