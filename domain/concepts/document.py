"""Shared state: one JSON document per session, changed by agents and people alike.

It changes by JSON Patch (RFC 6902), merge patch (RFC 7386) and increments. A change can be made conditional on the
whole document (`if_version`: nothing changed since that version of the session) or on paths (`if_unchanged`). A
conflict is refused with the current value and the version since which it stands. The root is always an object.

A name at the top has an audience: the one of the event that creates it. It keeps that, also when it is removed and
comes back. One change reads and writes names of one audience only, so that all of its event is for the same readers.
"""

from collections.abc import Collection, Iterable
from typing import Annotated, Any, ClassVar, NamedTuple

import orjson
from immutables import Map
from pydantic import Field, JsonValue, Strict, StringConstraints, WithJsonSchema

from ..audience import Audience, Viewer, sees, visible
from ..errors import Conflict, Forbidden, Invalid, NoChange, PatchFailed, TooDeep, TooLarge
from ..ids import Version
from ..json.checks import is_nested_deeper
from ..json.merge_patch import merge
from ..json.number import with_number
from ..json.operation import Operation, Pointer
from ..json.patch import Patched, Patching, apply_patch, same
from ..json.pointer import pointer, resolve, tokens
from ..json.recent import Recent
from ..model import Actor, Command, CommandData, Count, Decision, Event, EventData, Fact, JsonObject
from .last_written import NEVER, Place, last_written, merged_into, written

MAX_DOCUMENT_BYTES = 1_000_000
MAX_DOCUMENT_DEPTH = 64
MAX_NAMES = 1_000
MAX_NAME_BYTES = 256
MAX_NUMBER = 2**53

WHOLE = "state:"
LONG_PATCH, OPERATIONS_AT_ONCE = 50, 16
"""Operations: each may have to move half a million elements of an array (0.1 ms)."""
_applied: Recent[Patched] = Recent()
_merged: Recent[JsonObject] = Recent()
"""What was worked out to decide, and most often is folded next."""
Number = Annotated[
    Annotated[int, Strict()] | Annotated[float, Strict()],
    Field(ge=-MAX_NUMBER, le=MAX_NUMBER),
    WithJsonSchema(
        {"anyOf": [{"type": type, "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER} for type in ("integer", "number")]}
    ),
]


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
    audience: Audience | None = None
    """Who may see the names at the top that it creates, and all that becomes of them, besides you; absent: everyone.
    Names that there are keep theirs: one that you may not see is `forbidden`."""


class PatchState(_StateCommand):
    """Apply a JSON Patch, whole or not at all."""

    do = "state.patch"
    patch: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=1_000)]
    """The operations, in order."""

    def operations(self) -> tuple[dict[str, Any], ...]:
        """The operations as they were sent."""
        return tuple([operation.plain() for operation in self.patch])


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
    """The shared state. `version` is that of its last change; `changes` knows when each place in it last changed;
    `audiences` are those of names at the top, as JSON Pointers, that are not for everyone."""

    value: JsonObject
    version: Version
    changes: Place
    audiences: Map[str, tuple[str, ...]] = Map()


EMPTY = Document({}, Version(0), NEVER)


def decide(document: Document, command: Command) -> Decision:
    """Apply the rules to one command."""
    data = command.data
    assert isinstance(data, _StateCommand)
    reads = _check_allowed(document, command.actor, data)
    match data:
        case PatchState():
            return _patch(document, command.actor, data, reads)
        case MergeState():
            return _merge(document, command.actor, data, reads)
        case IncrementState():
            value = _incremented(document, data)
            _refuse_unfit(with_number(document.value, data.path, value), [data.path])
            event = StateIncremented(path=data.path, by=data.by, value=value, keys=_names([data.path]))
            return _decided(document, command.actor, data, event, reads)
    raise NotImplementedError(data.do)


def _check_allowed(document: Document, actor: Actor, data: _StateCommand) -> list[str]:
    """Refuse what is hidden from the actor, and where a guard does not hold; else the subjects that the guards read.
    Nothing may be worked out before: how that fails tells what is there."""
    _refuse_hidden(document, actor, (*_read_by(data), *filter(None, data.if_unchanged or ())))
    return _check_guards(document, actor, data)


def _read_by(data: _StateCommand) -> list[str]:
    """The places that a change names."""
    match data:
        case PatchState(patch=patch):
            return [place for each in patch for place in (each.path, each.from_) if place is not None]
        case MergeState(patch=patch):
            return [pointer([name]) for name in patch]
        case IncrementState(path=path):
            return [path]
    raise NotImplementedError(data.do)


def _refuse_hidden(document: Document, actor: Actor, paths: Iterable[str]) -> None:
    hidden = {name for name, audience in document.audiences.items() if not sees(actor, audience)}
    if not hidden:
        return
    for path in paths:
        if path == "" and not are_absent(document, hidden):
            raise Forbidden("Not all of the state is for you; change what you see by its names.")
        if not hidden.isdisjoint(_names([path])):
            raise Forbidden(f"{path} is not for you; write under another name at the top.")


def _decided(
    document: Document, actor: Actor, data: _StateCommand, event: _StateEvent, reads: Iterable[str]
) -> Decision:
    audience = _audience(document, actor, data, {*event.keys, *_names(_read_by(data))})
    return Decision((Fact(event, audience),), tuple(dict.fromkeys((*reads, *_subjects(event.keys)))))


def _audience(document: Document, actor: Actor, data: _StateCommand, names: set[str]) -> tuple[str, ...] | None:
    """The one audience of these names. Raises Conflict when there are several."""
    wanted = None if data.audience is None else tuple(sorted({*data.audience, actor.id}))
    new = {name for name in names if are_new(document, [name])}
    found = {document.audiences.get(name) for name in names - new} | ({wanted} if new else set())
    if "audience" in data.model_fields_set and not new and found != {wanted}:
        raise Conflict(f"{', '.join(sorted(names))} has its audience already, and keeps it; leave out `audience`.")
    if len(found) > 1:
        raise Conflict(
            f"{', '.join(sorted(names))} are not for the same readers; send a command for each audience.",
            audiences={name: document.audiences.get(name) for name in sorted(names - new)},
        )
    return next(iter(found), None)


def are_new(document: Document, names: Iterable[str]) -> bool:
    """Whether these names at the top, as JSON Pointers, have no audience yet: they do not exist."""
    return all(name not in document.audiences for name in names) and are_absent(document, names)


def are_absent(document: Document, names: Iterable[str]) -> bool:
    """Whether nothing is under these names at the top."""
    return all(tokens(name)[0] not in document.value for name in names)


def seen_by(document: Document, viewer: Viewer) -> tuple[JsonObject, Version]:
    """What a viewer may see of the state, and the version of the last change to that."""
    hidden = [name for name, audience in document.audiences.items() if not visible(audience, viewer)]
    return _without(document, hidden)


def _without(document: Document, hidden: Iterable[str]) -> tuple[JsonObject, Version]:
    gone = {tokens(name)[0] for name in hidden}
    if not gone:
        return document.value, document.version
    below = document.changes.below.items()
    version = max([document.changes.here, *[place.latest for name, place in below if name not in gone]])
    return {name: value for name, value in document.value.items() if name not in gone}, version


def _patch(document: Document, actor: Actor, data: PatchState, reads: list[str]) -> Decision:
    patched = _applied.take(document.value, data.patch)
    patch = data.operations()
    if patched is None:
        patched = apply_patch(document.value, patch)
    if not isinstance(patched.value, dict):
        raise PatchFailed("The root of the state must stay an object.")
    keys = _names(patched.paths)
    if "" in patched.paths:
        keys = tuple(pointer([name]) for name in {**document.value, **patched.value})
        _refuse_hidden(document, actor, keys)
    if not keys:
        raise NoChange("The patch applies and changes nothing.")
    _refuse_unfit(patched.value, patched.paths)
    # What a patch tests and copies from decides what it does, as much as what it changes.
    for operation in data.patch:
        reads += _reads(operation.path) + ([] if operation.from_ is None else _reads(operation.from_))
    event = StatePatched.model_construct(patch=patch, keys=keys)  # of a command that was validated
    _applied.keep(document.value, event.patch, patched)
    return _decided(document, actor, data, event, reads)


def is_long(data: CommandData) -> bool:
    """Whether a command is better carried out a few operations at a time."""
    return isinstance(data, PatchState) and len(data.patch) > LONG_PATCH


class LongPatch:
    """A patch that is applied before it is decided on: `decide` finds what came of it. Raises as `decide` would where
    the actor may not apply it."""

    def __init__(self, document: Document, actor: Actor, data: PatchState) -> None:
        _check_allowed(document, actor, data)
        self._document = document
        self._data = data
        self._patching = Patching(document.value, data.operations())

    def go_on(self) -> bool:
        """Apply a few operations more; returns whether there are others left. Raises as `decide` would."""
        if self._patching.go_on(OPERATIONS_AT_ONCE):
            return True
        _applied.keep(self._document.value, self._data.patch, self._patching.patched)
        return False


def _merge(document: Document, actor: Actor, data: MergeState, reads: list[str]) -> Decision:
    before, merged = document.value, merge(document.value, data.patch)
    _merged.keep(before, data.patch, merged)
    if all((name in before) == (name in merged) and same(before.get(name), merged.get(name)) for name in data.patch):
        raise NoChange("The state is so already; the merge patch changes nothing.")
    keys = tuple([pointer([name]) for name in data.patch])
    _refuse_unfit(merged, keys)
    event = StateMerged.model_construct(patch=data.patch, keys=keys)  # likewise
    return _decided(document, actor, data, event, reads)


def _check_guards(document: Document, actor: Actor, data: _StateCommand) -> list[str]:
    """Refuse when a guard does not hold; else the subjects that the guards read."""
    guards: dict[str, int] = dict(data.if_unchanged or {})
    if data.if_version is not None:
        guards[""] = min(data.if_version, guards.get("", data.if_version))
    seen = _without(document, [name for name, audience in document.audiences.items() if not sees(actor, audience)])
    for path, version in guards.items():
        changed = last_change(document, path) if path else seen[1]
        if changed > version:
            raise Conflict(
                f"{path or 'The state'} changed in version {changed}, after version {version}; look and try again.",
                path=path,
                value=resolve(seen[0], path),
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


def _refuse_unfit(value: JsonObject, paths: Collection[str]) -> None:
    """Refuse a document beyond what a session keeps. Only what changed can have become ill-named."""
    for name in value if "" in paths else [tokens(path)[0] for path in _names(paths)]:
        # A name at the top stands in subjects, and so in an index.
        if "\0" in name or len(pointer([name]).encode()) > MAX_NAME_BYTES + 1:
            raise PatchFailed(f"A name at the top has at most {MAX_NAME_BYTES} bytes, and no NUL; nest it.")
    if len(value) > MAX_NAMES:
        raise TooLarge(f"The state has at most {MAX_NAMES:,} names at the top; nest them.")
    try:
        stored = orjson.dumps(value)
    except TypeError:  # nested beyond what can be written at all
        stored = None
    # All of the document at once, as bytes: to walk through each place that changed took a second where these nest.
    if stored is None or is_nested_deeper(stored, MAX_DOCUMENT_DEPTH):
        raise TooDeep(f"The state would be nested more than {MAX_DOCUMENT_DEPTH} deep.")
    if len(stored) > MAX_DOCUMENT_BYTES:
        raise TooLarge(f"The state has at most {MAX_DOCUMENT_BYTES:,} bytes; remove something first.")


def _incremented(document: Document, data: IncrementState) -> int | float:
    before = resolve(document.value, data.path, 0)
    if isinstance(before, bool) or not isinstance(before, int | float):
        raise PatchFailed(f"{data.path} holds no number.", value=before)
    value = before + data.by
    if abs(value) > MAX_NUMBER:
        raise Invalid(f"{data.path} would leave the range that every JSON reader keeps exact (±2^53).")
    return value


def evolve(document: Document, event: Event) -> Document:
    """Fold one event."""
    match event.data:
        case StatePatched() as data:
            patched = _applied.take(document.value, data.patch)
            if patched is None:
                patched = apply_patch(document.value, data.patch, bounded=False)
            return _changed(document, event, data, patched.value, _written(document, event, patched.paths))
        case StateMerged() as data:
            merged = _merged.take(document.value, data.patch)
            if merged is None:
                merged = merge(document.value, data.patch)
            changes = merged_into(document.changes, document.value, data.patch, event.version)
            return _changed(document, event, data, merged, changes)
        case StateIncremented() as data:
            value = with_number(document.value, data.path, data.value)
            return _changed(document, event, data, value, _written(document, event, [data.path]))
    return document


def _written(document: Document, event: Event, paths: Iterable[str]) -> Place:
    changes = document.changes
    for path in paths:
        changes = written(changes, tokens(path), event.version)
    return changes


def _changed(document: Document, event: Event, data: _StateEvent, value: JsonObject, changes: Place) -> Document:
    audiences = document.audiences
    if event.audience is not None:
        audiences = audiences.update(dict.fromkeys(data.keys, event.audience))
    return Document(value, event.version, changes, audiences)
