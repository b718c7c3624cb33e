"""What all projections share: a name, a version, a key, handlers.

A projection is a pure fold, and holds no state of its own: the runner keeps its view in a store, `fold` makes it of
any events, a test holds both against each other. What is folded lies in a `Folder`.

The **key** divides a view into parts that do not depend on each other: by default one for each session. When a handler
fails, the part that it failed at is parked and the others go on. A key may be a function of the event, which answers
with one key, several, or none.

**Who may see it.** Events that are not for everyone in their session are passed over, so that everyone who may read a
session may read its views. A projection that wants them says who is shown what of its values (`shown`), or that all of
them may be shown to everyone (`shown_to_everyone`).
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar, overload

from pydantic import BaseModel

from ...domain.audience import Viewer
from ...domain.model import EventData
from .faults import contained
from .handlers import Handler, Handlers
from .meta import Meta
from .shape import Row, Shape, is_storable

K = TypeVar("K")
T = TypeVar("T")
E = TypeVar("E", bound=EventData)

Key = Literal["session", "actor", "task"] | Callable[[EventData, Meta], str | Iterable[str] | None]

MAX_KEY = 512
UNKEYED = "unkeyed:"
"""What the key begins with under which a session is parked when the keys of one of its events cannot be told. No key of
a projection begins so."""
NAME_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"


class Item(NamedTuple):
    """An event to fold into one part of a view, as handlers are given it."""

    key: str
    event: EventData
    meta: Meta
    handlers: tuple[Handler, ...]

    def parked_under(self) -> tuple[str, str]:
        """The keys under either of which it may be parked."""
        return self.key, UNKEYED + self.meta.session


class Folder(Protocol[K, T]):
    """What is in memory of a view: `values` by place, None for one that is known to be absent."""

    values: dict[K, T | None]
    changed: set[K]
    """Places whose value is another since this set was last cleared."""

    def prepare(self, items: Iterable[Item]) -> list[Any]:
        """What is to be done for items, before it is known what is there. Raises what a handler raises."""

    def missing(self, work: Iterable[Any]) -> set[K]:
        """The places whose values are not in memory, and must be before the work can be done."""

    def absent(self, places: Iterable[K]) -> None:
        """Take note that there is nothing at these places."""

    def fold(self, work: Iterable[Any]) -> None:
        """Do the work. Raises what a handler raises, and then may have left a value half changed."""

    def row(self, place: K) -> Row:
        """The value at a place in its stored form. Raises ValueError for one that cannot be stored."""

    def load(self, row: Row) -> K:
        """Take over a stored value; its place. Raises ValueError when it cannot be read."""

    def drop(self, place: K) -> None:
        """Forget what is in memory of a place."""


class Projection(Generic[K, T]):
    """A pure fold of events into values of `T`, each at its place. `version` is raised whenever a change of the code
    makes other values of the same events: then the view is built again beside the old one."""

    shape: Shape

    def __init__(self, name: str, model: type[BaseModel], version: int, key: Key) -> None:
        if not re.fullmatch(NAME_PATTERN, name) or "__" in name:
            raise ValueError(
                f"{name!r} is no name of a projection: a small letter, then up to 39 of a-z 0-9, single _."
            )
        if version < 1:
            raise ValueError(f"The versions of {name!r} count from 1, not {version}.")
        self.name = name
        self.model = model
        self.version = version
        self.key = key
        self.handlers = Handlers()
        self.effects = Handlers()
        self.seen: Callable[[T, Viewer], T | None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} version {self.version}>"

    def shown(self, seen: Callable[[T, Viewer], T | None]) -> Callable[[T, Viewer], T | None]:
        """Declare what a viewer sees of a value: it, another in its place, or None. From then on events of every
        audience are folded; the function, which must not change the value, alone keeps what is not for everyone."""
        self.seen = contained(seen)
        self.shape = self.shape._replace(restricted=True)
        return seen

    def shown_to_everyone(self) -> None:
        """Declare that everyone who may read a session may see all of its values: those that keep of an event nothing
        but what everyone may know, such as a count or a sum. From then on events of every audience are folded."""
        self.seen = _as_it_is

    @overload
    def effect(self, handler: Callable[[E], Awaitable[None]]) -> Callable[[E], Awaitable[None]]: ...
    @overload
    def effect(self, handler: Callable[[E, Meta], Awaitable[None]]) -> Callable[[E, Meta], Awaitable[None]]: ...
    def effect(self, handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """Declare what is to be done to the world when an event comes (see `effects`): a coroutine function of the
        event and, if it wants it, the Meta. Raises TypeError for anything else."""
        self.effects.add_effect(handler)
        return handler

    def folder(self) -> Folder[K, T]:
        """An empty folder."""
        raise NotImplementedError

    def place(self, place: K) -> Row:
        """A place as the columns of the primary key."""
        raise NotImplementedError

    def items(self, event: EventData, meta: Meta, handlers: tuple[Handler, ...]) -> list[Item]:
        """One item for each key that the event concerns; `meta` is the event's for its session's key."""
        if self.passes_over(meta):
            return []
        if self.key == "session":
            return [Item(meta.key, event, meta, handlers)]
        return [Item(key, event, meta._replace(key=key), handlers) for key in self._keys(event, meta)]

    def passes_over(self, meta: Meta) -> bool:
        """Whether an event is not folded because it is not for everyone in its session."""
        return meta.audience is not None and self.seen is None

    def items_of(self, event: EventData, meta: Meta) -> list[Item]:
        """The same for an event whose handlers are not at hand; it may have none."""
        handlers = self.handlers.of(meta.type)
        return self.items(event, meta, handlers) if handlers else []

    @contained
    def _keys(self, event: EventData, meta: Meta) -> Iterable[str]:
        found = self.key(event, meta) if callable(self.key) else getattr(meta, self.key)
        keys: Iterable[Any] = () if found is None else (found,) if isinstance(found, str) else dict.fromkeys(found)
        for key in keys:
            if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY or not is_storable(key):
                raise ValueError(f"{key!r} is no key: a text of 1 to {MAX_KEY} characters, in UTF-8 and without NUL.")
            if key.startswith(UNKEYED):
                raise ValueError(f"{key!r} is no key: {UNKEYED} is for events without one.")
        return keys


def _as_it_is(value: T, _: Viewer) -> T:
    return value


AnyProjection = Projection[Any, Any]
"""For those who do not care what a projection keeps."""
