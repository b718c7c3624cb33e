"""What is recorded of messages."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ...ids import MessageId, Name
from ...model import EventData
from ...parts import Part, Short, StreamedKind
from ..reports import Metadata, Usage

MAX_MESSAGE_BYTES = 1_000_000
MessageKind = Literal["message", "progress"]
Text = Annotated[str, StringConstraints(min_length=1)]
Parts = tuple[Part, ...]
FewParts = Annotated[Parts, Field(max_length=256, fail_fast=True)]


class _MessageEvent(EventData):
    message: MessageId
    """Which message."""

    def subject(self) -> str:
        return f"message:{self.message}"


class MessagePosted(_MessageEvent):
    """A message, whole."""

    type = "message.posted"
    parts: Parts
    """What is said."""
    kind: MessageKind = "message"
    """`progress` notes may be shown less prominently."""
    reply_to: MessageId | None = None
    """The message that it answers."""
    usage: Usage | None = None
    """The application's own: tokens, cost."""
    metadata: Metadata | None = None
    """The application's own."""


class MessageStarted(_MessageEvent):
    """A message began; deltas follow."""

    type = "message.started"
    kind: MessageKind = "message"
    """`progress` notes may be shown less prominently."""
    reply_to: MessageId | None = None
    """The message that it answers."""
    run: Name | None = None
    """Which run of the actor writes it, where that has a name."""
    metadata: Metadata | None = None
    """The application's own."""


class Piece(_MessageEvent):
    type = "message.delta"
    index: int
    """0, 1, 2 … within the message."""
    text: str
    """The next piece."""
    part: StreamedKind | None = None
    """What the piece is of; absent: `text`."""


class MessageDelta(Piece):
    """The next piece of an open message. `first` stands only in folded readings, where deltas `first` to `index` were
    joined into one."""

    first: int | None = None
    """Only in folded readings: the first index that the text covers."""


class MessageCompleted(_MessageEvent):
    """A streamed message is finished. `parts` holds it whole; `deltas` is how many were streamed."""

    type = "message.completed"
    parts: Parts
    """All of it: the streamed text and what was appended."""
    deltas: int
    """How many deltas were streamed."""
    kind: MessageKind = "message"
    """The message's, repeated."""
    usage: Usage | None = None
    """The application's own: tokens, cost."""
    metadata: Metadata | None = None
    """The application's own."""


class MessageAborted(_MessageEvent):
    """A streamed message ended early. `parts` holds what had been said."""

    type = "message.aborted"
    parts: Parts
    """What had been said."""
    deltas: int
    """How many deltas were streamed."""
    kind: MessageKind = "message"
    """The message's, repeated."""
    reason: Short | None = None
    """For people."""
    usage: Usage | None = None
    """The application's own: tokens, cost."""
    metadata: Metadata | None = None
    """The application's own."""
