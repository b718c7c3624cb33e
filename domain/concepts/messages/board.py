"""The messages of a session as they stand."""

from typing import Literal, NamedTuple

from immutables import Map

from ...ids import MessageId, ParticipantId, TaskId, Version
from ...parts import Streamed
from ..open_work import OpenWork
from .events import MessageKind


class Message(NamedTuple):
    """A message so far. `index` is the next delta's; the text of a closed message stands in the log alone. `task` is
    what it was begun under; `fenced` says that somebody else than its author ended it, and `run` which run of
    the author writes it."""

    id: MessageId
    author: ParticipantId
    kind: MessageKind
    audience: tuple[str, ...] | None
    since: Version
    status: Literal["open", "completed", "aborted"]
    index: int = 0  # type: ignore[assignment]  # it hides tuple.index, which nobody misses
    streamed: Streamed | None = None
    task: TaskId | None = None
    fenced: bool = False
    run: str | None = None


class Messages(NamedTuple):
    """All messages, and which of them are open."""

    known: Map[MessageId, Message] = Map()
    open: OpenWork = OpenWork()


EMPTY = Messages()
