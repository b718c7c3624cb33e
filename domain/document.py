"""Shared state: one JSON document per session, changed by agents and people alike.

It changes by JSON Patch (RFC 6902), merge patch (RFC 7386) and increments. A change can be made conditional on the
whole document (`if_version`: nothing changed since that version of the session) or on paths (`if_unchanged`). A
conflict is refused with the current value and the version since which it stands. The root is always an object.
"""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from immutables import Map
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from . import json_patch
from .errors import Conflict, Invalid, PatchFailed
from .ids import Version
from .merge_patch import leaves, merge
from .model import Command, CommandData, Decision, Event, EventData, Fact, JsonObject

WHOLE = "state:"
MAX_NUMBER = 2**53
Pointer = Annotated[str, StringConstraints(max_length=1_000, pattern=r"^(/([^~/]|~[01])*)*$")]
Number = Annotated[int | float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER, allow_inf_nan=False)]


class Operation(BaseModel):
    """One operation of a JSON Patch, its members as RFC 6902 names them."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True, serialize_by_alias=True)

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: Pointer
    from_: Annotated[Pointer | None, Field(alias="from")] = None

    def plain(self) -> dict[str, Any]:
        """The operation as it was sent: a `value` of null stays, an absent one stays absent."""
        return self.model_dump(by_alias=True, exclude_unset=True)


class _StateEvent(EventData):
    keys: tuple[str, ...] = ()
    """The top-level names that changed, as JSON Pointers."""

    def subject(self) -> str:
        return f"state:{self.keys[0]}" if self.keys else WHOLE

    def also(self) -> tuple[str, ...]:
        return (*(f"state:{key}" for key in self.keys[1:]), WHOLE) if self.keys else ()


class StatePatched(_StateEvent):
    """A JSON Patch was applied."""

    type = "state.patched"
    patch: tuple[dict[str, JsonValue], ...]


class StateMerged(_StateEvent):
    """A merge patch was applied."""

    type = "state.merged"
    patch: dict[str, JsonValue]


class StateIncremented(_StateEvent):
    """A number changed by `by` and is now `value`."""

    type = "state.incremented"
    path: Pointer
    by: int | float
    value: int | float


class _StateCommand(CommandData):
    concept: ClassVar[str] = "document"
    if_version: Annotated[int, Field(ge=0)] | None = None
    if_unchanged: Annotated[dict[Pointer, Annotated[int, Field(ge=0)]], Field(max_length=64)] | None = None


class PatchState(_StateCommand):
    """Apply a JSON Patch, whole or not at all."""

    do = "state.patch"
    patch: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=1_000)]


class MergeState(_StateCommand):
    """Apply a merge patch."""

    do = "state.merge"
    patch: Annotated[dict[str, JsonValue], Field(min_length=1)]


class IncrementState(_StateCommand):
    """Add `by` to the number at `path`; where there is none yet, it counts from 0. Never conflicts."""

    do = "state.increment"
    path: Annotated[Pointer, StringConstraints(min_length=2)]
    by: Number = 1


class Document(NamedTuple):
    """The shared state. `version` is that of its last change; `changes` maps each top-level name to the paths below
    it that changed, with the version of the last change."""

    value: JsonObject
    version: Version
    changes: Map[str, Map[str, Version]]


EMPTY = Document({}, Version(0), Map())


def decide(document: Document, command: Command) -> Decision:
    """Apply the rules to one command."""
    data = command.data
    assert isinstance(data, _StateCommand)
    guards = _check_guards(document, data)
    match data:
        case PatchState():
            patch = tuple(operation.plain() for operation in data.patch)
            patched = json_patch.apply_patch(document.value, patch)
            keys = _top(document, patched)
            return _decided(patched.value, StatePatched(patch=patch, keys=keys), guards)
        case MergeState():
            merged = merge(document.value, data.patch)
            return _decided(merged, StateMerged(patch=data.patch, keys=_names(leaves(data.patch))), guards)
        case IncrementState():
            value = _incremented(document, data)
            path = data.path
            event = StateIncremented(path=path, by=data.by, value=value, keys=_names([path]))
            return _decided(_set_number(document.value, path, value), event, guards)
    raise NotImplementedError(data.do)


def _decided(value: Any, event: _StateEvent, guards: tuple[str, ...]) -> Decision:
    if not isinstance(value, dict):
        raise PatchFailed("The root of the state must stay an object.")
    json_patch.refuse_unfit(value)
    return Decision((Fact(event),), tuple(dict.fromkeys((*guards, *(f"state:{key}" for key in event.keys)))))


def _check_guards(document: Document, data: _StateCommand) -> tuple[str, ...]:
    """Refuse when a guard does not hold; else the subjects that the guards read."""
    reads: list[str] = []
    if data.if_version is not None:
        reads.append(WHOLE)
        _refuse_changed(document, "", data.if_version)
    for path, version in (data.if_unchanged or {}).items():
        reads += [f"state:{name}" for name in _names([path])] if path else [WHOLE]
        _refuse_changed(document, path, version)
    return tuple(reads)


def _refuse_changed(document: Document, path: str, version: int) -> None:
    changed = last_change(document, path)
    if changed > version:
        raise Conflict(
            f"{path or 'The state'} changed in version {changed}, after version {version}; look at it and try again.",
            path=path,
            value=json_patch.resolve(document.value, path),
            version=changed,
        )


def last_change(document: Document, path: str) -> Version:
    """The version that last changed `path`, or anything above or below it; 0 if nothing did."""
    if not path:
        return document.version
    below = document.changes.get(_names([path])[0], Map())
    overlapping = (
        version
        for place, version in below.items()
        if place == path or place.startswith(f"{path}/") or path.startswith(f"{place}/")
    )
    return max(overlapping, default=Version(0))


def _top(document: Document, patched: json_patch.Patched) -> tuple[str, ...]:
    if "" not in patched.paths:
        return _names(patched.paths)
    both = {**document.value, **patched.value} if isinstance(patched.value, dict) else document.value
    return tuple(json_patch.pointer([name]) for name in both)


def _names(paths: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"/{path.split('/')[1]}" for path in paths if path))


def _incremented(document: Document, data: IncrementState) -> int | float:
    before = json_patch.resolve(document.value, data.path, 0)
    if isinstance(before, bool) or not isinstance(before, int | float):
        raise PatchFailed(f"{data.path} holds no number.", value=before)
    value = before + data.by
    if abs(value) > MAX_NUMBER:
        raise Invalid(f"{data.path} would leave the range that every JSON reader keeps exact (±2^53).")
    return value


def _set_number(value: JsonObject, path: str, number: int | float) -> JsonObject:
    missing = json_patch.resolve(value, path) is None
    operation = {"op": "add" if missing else "replace", "path": path, "value": number}
    patched: JsonObject = json_patch.apply_patch(value, [operation]).value
    return patched


def evolve(document: Document, event: Event) -> Document:
    """Fold one event."""
    match event.data:
        case StatePatched() as data:
            patched = json_patch.apply_patch(document.value, data.patch)
            paths = list(data.keys) if "" in patched.paths else patched.paths
            return _changed(document, patched.value, paths, event.version)
        case StateMerged() as data:
            value = merge(document.value, data.patch)
            return _changed(document, value, leaves(data.patch), event.version)
        case StateIncremented() as data:
            value = _set_number(document.value, data.path, data.value)
            return _changed(document, value, [data.path], event.version)
    return document


def _changed(document: Document, value: JsonObject, paths: list[str], version: Version) -> Document:
    changes = document.changes
    for path in paths:
        name = _names([path])[0]
        kept = {
            place: when
            for place, when in changes.get(name, Map()).items()
            if place != path and not place.startswith(f"{path}/")
        }
        changes = changes.set(name, Map({**kept, path: version}))
    return Document(value, version, changes)
