"""Shared state: one JSON document per session, changed by agents and people alike.

It changes by JSON Patch (RFC 6902), merge patch (RFC 7386) and increments. A change can be made conditional on the
whole document (`if_version`: nothing changed since that version of the session) or on paths (`if_unchanged`). A
conflict is refused with the current value and the version since which it stands. The root is always an object.
"""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, Strict, StringConstraints, WithJsonSchema

from ..errors import Conflict, Invalid, NoChange, PatchFailed
from ..ids import Version
from ..json.checks import deeper_than
from ..json.merge_patch import leaves, merge
from ..json.patch import apply_patch, same
from ..json.pointer import pointer, resolve, tokens
from ..model import Command, CommandData, Count, Decision, Event, EventData, Fact, JsonObject
from .last_written import NEVER, Place, last_written, written

MAX_DOCUMENT_BYTES = 1_000_000
MAX_DOCUMENT_DEPTH = 64
MAX_NAMES = 1_000
MAX_NAME_BYTES = 256
MAX_NUMBER = 2**53

WHOLE = "state:"
_MISSING = object()
Pointer = Annotated[str, StringConstraints(max_length=1_000, pattern=r"^(/([^~/]|~[01])*)*$")]
Number = Annotated[
    Annotated[int, Strict()] | Annotated[float, Strict()],
    Field(ge=-MAX_NUMBER, le=MAX_NUMBER),
    WithJsonSchema(
        {"anyOf": [{"type": type, "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER} for type in ("integer", "number")]}
    ),
]


class Operation(BaseModel):
    """One operation of a JSON Patch, its members as RFC 6902 names them. Other members are passed over, as it says."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", serialize_by_alias=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    """What to do."""
    path: Pointer
    """Where."""
    from_: Annotated[Pointer | None, Field(alias="from")] = None
    """Where from: for `move` and `copy`."""
    value: JsonValue = None
    """For `add`, `replace` and `test`."""

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
    """The operations, in order."""


class StateMerged(_StateEvent):
    """A merge patch was applied."""

    type = "state.merged"
    patch: dict[str, JsonValue]
    """The merge patch; null removes a member."""


class StateIncremented(_StateEvent):
    """A number changed by `by` and is now `value`."""

    type = "state.incremented"
    path: Pointer
    """Where the number stands."""
    by: int | float
    """What was added."""
    value: int | float
    """What the number is now."""


class _StateCommand(CommandData):
    concept: ClassVar[str] = "document"
    if_version: Count | None = None
    """Refuse with `conflict` if anything in the state changed after this version of the session."""
    if_unchanged: Annotated[dict[Pointer, Count], Field(max_length=64)] | None = None
    """Refuse with `conflict` if one of these places, or anything above or below it, changed after its version."""


class PatchState(_StateCommand):
    """Apply a JSON Patch, whole or not at all."""

    do = "state.patch"
    patch: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=1_000)]
    """The operations, in order."""


class MergeState(_StateCommand):
    """Apply a merge patch. Refused with `no_change` where the state is so already."""

    do = "state.merge"
    patch: Annotated[dict[str, JsonValue], Field(min_length=1)]
    """The merge patch; null removes a member."""


class IncrementState(_StateCommand):
    """Add `by` to the number at `path`; where there is none yet, it counts from 0, and objects around it that are
    missing are made. Never conflicts."""

    do = "state.increment"
    path: Annotated[Pointer, StringConstraints(min_length=1)]
    """Where the number stands."""
    by: Number = 1
    """What to add."""


class Document(NamedTuple):
    """The shared state. `version` is that of its last change; `changes` knows when each place in it last changed."""

    value: JsonObject
    version: Version
    changes: Place


EMPTY = Document({}, Version(0), NEVER)


def decide(document: Document, command: Command) -> Decision:
    """Apply the rules to one command."""
    data = command.data
    assert isinstance(data, _StateCommand)
    reads = _check_guards(document, data)
    match data:
        case PatchState():
            return _patch(document, data, reads)
        case MergeState():
            return _merge(document, data, reads)
        case IncrementState():
            value = _incremented(document, data)
            _refuse_unfit(_with_number(document.value, data.path, value), [data.path])
            event = StateIncremented(path=data.path, by=data.by, value=value, keys=_names([data.path]))
            return _decided(event, reads)
    raise NotImplementedError(data.do)


def _decided(event: _StateEvent, reads: Iterable[str]) -> Decision:
    return Decision((Fact(event),), tuple(dict.fromkeys((*reads, *_subjects(event.keys)))))


def _patch(document: Document, data: PatchState, reads: list[str]) -> Decision:
    patch = tuple(operation.plain() for operation in data.patch)
    patched = apply_patch(document.value, patch)
    if not isinstance(patched.value, dict):
        raise PatchFailed("The root of the state must stay an object.")
    keys = _names(patched.paths)
    if "" in patched.paths:
        keys = tuple(pointer([name]) for name in {**document.value, **patched.value})
    if not keys:
        raise NoChange("The patch applies and changes nothing.")
    _refuse_unfit(patched.value, patched.paths)
    # What a patch tests and copies from decides what it does, as much as what it changes.
    for operation in data.patch:
        reads += _reads(operation.path) + ([] if operation.from_ is None else _reads(operation.from_))
    return _decided(StatePatched(patch=patch, keys=keys), reads)


def _merge(document: Document, data: MergeState, reads: list[str]) -> Decision:
    before, merged = document.value, merge(document.value, data.patch)
    if all((name in before) == (name in merged) and same(before.get(name), merged.get(name)) for name in data.patch):
        raise NoChange("The state is so already; the merge patch changes nothing.")
    paths = leaves(before, data.patch)
    _refuse_unfit(merged, paths)
    return _decided(StateMerged(patch=data.patch, keys=_names(paths)), reads)


def _check_guards(document: Document, data: _StateCommand) -> list[str]:
    """Refuse when a guard does not hold; else the subjects that the guards read."""
    guards: dict[str, int] = dict(data.if_unchanged or {})
    if data.if_version is not None:
        guards[""] = min(data.if_version, guards.get("", data.if_version))
    for path, version in guards.items():
        changed = last_change(document, path)
        if changed > version:
            raise Conflict(
                f"{path or 'The state'} changed in version {changed}, after version {version}; look and try again.",
                path=path,
                value=resolve(document.value, path),
                version=changed,
            )
    return [subject for path in guards for subject in _reads(path)]


def last_change(document: Document, path: str) -> Version:
    """The version that last changed `path`, or anything above or below it; 0 if nothing did."""
    return last_written(document.changes, tokens(path))


def _reads(path: str) -> list[str]:
    return _subjects(_names([path])) if path else [WHOLE]


def _subjects(names: Iterable[str]) -> list[str]:
    return [f"state:{name}" for name in names]


def _names(paths: Iterable[str]) -> tuple[str, ...]:
    """The top-level names of these paths, as JSON Pointers."""
    return tuple(dict.fromkeys(f"/{path.split('/', 2)[1]}" for path in paths if path))


def _refuse_unfit(value: JsonObject, paths: list[str]) -> None:
    """Refuse a document beyond what a session keeps. Only what changed can have become too deep or ill-named."""
    for path in paths:
        parts = tokens(path)
        if deeper_than(resolve(value, path), MAX_DOCUMENT_DEPTH - len(parts)):
            raise PatchFailed(f"The state would be nested more than {MAX_DOCUMENT_DEPTH} deep.")
        for name in parts[:1] or value:
            # A name at the top stands in subjects, and so in an index.
            if "\0" in name or len(pointer([name]).encode()) > MAX_NAME_BYTES + 1:
                raise PatchFailed(f"A name at the top has at most {MAX_NAME_BYTES} bytes, and no NUL; nest it.")
    if len(value) > MAX_NAMES:
        raise PatchFailed(f"The state would have more than {MAX_NAMES} names at the top; nest them.")
    if len(orjson.dumps(value)) > MAX_DOCUMENT_BYTES:
        raise PatchFailed(f"The state would be larger than {MAX_DOCUMENT_BYTES} bytes.")


def _incremented(document: Document, data: IncrementState) -> int | float:
    before = resolve(document.value, data.path, 0)
    if isinstance(before, bool) or not isinstance(before, int | float):
        raise PatchFailed(f"{data.path} holds no number.", value=before)
    value = before + data.by
    if abs(value) > MAX_NUMBER:
        raise Invalid(f"{data.path} would leave the range that every JSON reader keeps exact (±2^53).")
    return value


def _with_number(value: JsonObject, path: str, number: int | float) -> JsonObject:
    above = path.rpartition("/")[0]
    missing: list[dict[str, Any]] = []
    while (container := resolve(value, above, _MISSING)) is _MISSING:
        missing.insert(0, {"op": "add", "path": above, "value": {}})
        above = above.rpartition("/")[0]
    # A counter may begin in an object; in an array it would have to push something aside.
    if isinstance(container, list):
        operations = [{"op": "replace", "path": path, "value": number}]
    else:
        operations = [*missing, {"op": "add", "path": path, "value": number}]
    patched: JsonObject = apply_patch(value, operations).value
    return patched


def evolve(document: Document, event: Event) -> Document:
    """Fold one event."""
    match event.data:
        case StatePatched() as data:
            patched = apply_patch(document.value, data.patch, bounded=False)
            return _changed(document, patched.value, patched.paths, event.version)
        case StateMerged() as data:
            return _changed(
                document, merge(document.value, data.patch), leaves(document.value, data.patch), event.version
            )
        case StateIncremented() as data:
            value = _with_number(document.value, data.path, data.value)
            return _changed(document, value, [data.path], event.version)
    return document


def _changed(document: Document, value: JsonObject, paths: list[str], version: Version) -> Document:
    changes = document.changes
    for path in paths:
        changes = written(changes, tokens(path), version)
    return Document(value, version, changes)
