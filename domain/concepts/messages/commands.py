"""How messages are posted, streamed and ended."""

from typing import ClassVar

import orjson

from ...audience import Audience
from ...ids import MessageId
from ...model import CommandData, Count
from ...parts import Short
from ..reports import Metadata, Usage
from .events import FewParts, MessageKind, Piece, Text


class _MessageCommand(CommandData):
    concept: ClassVar[str] = "messages"
    message: MessageId
    """The message's id: minted by its author, unique in the session."""


class PostMessage(_MessageCommand):
    """Say something at once: `text`, or `parts`."""

    do = "message.post"
    text: Text | None = None
    """What to say; either this or `parts`."""
    parts: FewParts = ()
    """What to say, in parts."""
    kind: MessageKind = "message"
    """What kind of message."""
    audience: Audience | None = None
    """Who may see it; absent: everyone."""
    reply_to: MessageId | None = None
    """The message that it answers."""
    usage: Usage | None = None
    """The application's own: tokens, cost."""
    metadata: Metadata | None = None
    """The application's own."""


class StartMessage(_MessageCommand):
    """Begin to stream a message."""

    do = "message.start"
    kind: MessageKind = "message"
    """What kind of message."""
    audience: Audience | None = None
    """Who may see it and all its deltas; absent: everyone."""
    reply_to: MessageId | None = None
    """The message that it answers."""
    metadata: Metadata | None = None
    """The application's own."""


class StreamDelta(Piece, _MessageCommand):
    """Stream the next piece: `index` counts 0, 1, 2 … A repeat of an index is answered as the first time,
    and refused with `conflict` when it has another text."""

    # A delta is written as it comes: the command's payload is the event's.
    do = "message.delta"
    keyed = False
    plain = True
    index: Count
    """Counts 0, 1, 2 … within the message."""
    text: Text
    """The next piece."""

    def json_bytes(self) -> bytes:
        # Scalars need no serializer, which takes three times as long.
        members = self.__dict__.copy()
        if members["part"] is None:
            del members["part"]
        return orjson.dumps(members)


class CompleteMessage(_MessageCommand):
    """Finish a message. `parts` are appended to what was streamed; `deltas`, if given, must be how many were."""

    do = "message.complete"
    parts: FewParts = ()
    """Appended to what was streamed."""
    deltas: Count | None = None
    """How many deltas were sent; refused with `conflict` when some are missing."""
    usage: Usage | None = None
    """The application's own: tokens, cost."""
    metadata: Metadata | None = None
    """The application's own."""


class AbortMessage(_MessageCommand):
    """End a message early; what was streamed is kept."""

    do = "message.abort"
    reason: Short | None = None
    """For people."""
    usage: Usage | None = None
    """The application's own: tokens, cost."""
    metadata: Metadata | None = None
    """The application's own."""
