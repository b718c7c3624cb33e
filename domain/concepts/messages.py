"""Messages: posted whole, or started, streamed and finished.

    started → delta* → completed | aborted

Several participants stream at once, each into messages of its own. A delta carries its index, so that a repeat is
recognised and a hole is refused. The event that finishes a message carries its parts whole, so that nobody must
collect deltas to know what was said; a message that is aborted keeps the partial text.
"""

from typing import Annotated, ClassVar, Literal, NamedTuple, cast

import orjson
from immutables import Map
from pydantic import Field, JsonValue, StringConstraints

from ..audience import Audience, including, sees
from ..errors import Conflict, Fenced, Forbidden, Invalid, NotFound, TooLarge
from ..ids import MessageId, Name, ParticipantId, TaskId, Version
from ..model import Command, CommandData, Count, Decision, Event, EventData, Fact, Repeat, decided
from ..parts import Part, Short, Streamed, StreamedKind, TextPart, assemble, extend, text_bytes
from ..unchecked import new_unchecked
from .open_work import MAX_OPEN_BYTES, OpenWork, refuse_more

MAX_MESSAGE_BYTES = 1_000_000
MessageKind = Literal["message", "progress"]
Text = Annotated[str, StringConstraints(min_length=1)]
Parts = tuple[Part, ...]
FewParts = Annotated[Parts, Field(max_length=256)]
Usage = dict[Short, JsonValue]


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


class MessageStarted(_MessageEvent):
    """A message began; deltas follow."""

    type = "message.started"
    kind: MessageKind = "message"
    """`progress` notes may be shown less prominently."""
    reply_to: MessageId | None = None
    """The message that it answers."""
    run: Name | None = None
    """Which run of the actor writes it, where that has a name."""


class _Piece(_MessageEvent):
    type = "message.delta"
    index: int
    """0, 1, 2 … within the message."""
    text: str
    """The next piece."""
    part: StreamedKind | None = None
    """What the piece is of; absent: `text`."""


class MessageDelta(_Piece):
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


class StartMessage(_MessageCommand):
    """Begin to stream a message."""

    do = "message.start"
    kind: MessageKind = "message"
    """What kind of message."""
    audience: Audience | None = None
    """Who may see it and all its deltas; absent: everyone."""
    reply_to: MessageId | None = None
    """The message that it answers."""


class StreamDelta(_Piece, _MessageCommand):
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


class AbortMessage(_MessageCommand):
    """End a message early; what was streamed is kept."""

    do = "message.abort"
    reason: Short | None = None
    """For people."""


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
    """All messages, which of them are open, and how many bytes of text these hold."""

    known: Map[MessageId, Message] = Map()
    open: OpenWork = OpenWork()
    open_bytes: int = 0


EMPTY = Messages()


def decide(messages: Messages, command: Command) -> Decision:
    """Apply the rules to one command."""
    match command.data:
        case StreamDelta() as data:
            return _stream(messages, command, data)
        case PostMessage() as data:
            return _post(messages, data)
        case StartMessage() as data:
            _refuse_known(messages, data.message)
            refuse_more(messages.open.number, "open messages")
            started = MessageStarted(message=data.message, kind=data.kind, reply_to=data.reply_to, run=command.run)
            return decided(started, audience=data.audience)
        case CompleteMessage() as data:
            return _complete(_open(messages, command, data.message), data)
        case AbortMessage() as data:
            fact = aborted(_open(messages, command, data.message), data.reason)
            return Decision((fact,), (fact.data.subject(),))
    raise NotImplementedError(command.data.do)


def aborted(message: Message, reason: str | None) -> Fact:
    """The end of an open message, with what had been said of it. Its author hears of it, whoever ends it."""
    data = MessageAborted(
        message=message.id,
        parts=assemble(message.streamed),
        deltas=message.index,
        kind=message.kind,
        reason=reason,
    )
    return Fact(data, including(message.audience, message.author), task=message.task)


def _post(messages: Messages, data: PostMessage) -> Decision:
    _refuse_known(messages, data.message)
    if (data.text is None) == (not data.parts):
        raise Invalid("A message needs either text or parts, and not both.")
    parts = data.parts or (TextPart(text=data.text or ""),)
    if text_bytes(parts) > MAX_MESSAGE_BYTES:
        raise _too_long("post the rest as another")
    posted = MessagePosted(message=data.message, parts=parts, kind=data.kind, reply_to=data.reply_to)
    return decided(posted, audience=data.audience)


def _stream(messages: Messages, command: Command, data: StreamDelta) -> Decision:
    message, index = _own(messages, command, data.message), data.index
    expected = message.index
    if index < expected:
        return Decision((), repeat=Repeat(f"message:{message.id}", message.since, index))
    if message.status != "open":
        _refuse_closed(message)
    if index > expected:
        raise Conflict(
            f"Delta {index} of message {message.id!r} came before delta {expected}; send that first.", expected=expected
        )
    streamed = extend(message.streamed, data.part or "text", data.text)
    if streamed.length > MAX_MESSAGE_BYTES:
        raise _too_long("complete it and start another")
    after = _with(messages, message, index + 1, streamed)
    if after.open_bytes > MAX_OPEN_BYTES:
        raise TooLarge(
            f"The open messages of a session hold at most {MAX_OPEN_BYTES:,} bytes of text; complete some first."
        )
    fact = new_unchecked(Fact, (data, message.audience, None, None, message.task))
    return new_unchecked(Decision, ((fact,), (), None, None, after))


def _complete(message: Message, data: CompleteMessage) -> Decision:
    if data.deltas is not None and data.deltas != message.index:
        raise Conflict(
            f"Message {message.id!r} has {message.index} deltas, not {data.deltas}; send the missing ones first.",
            expected=message.index,
        )
    streamed = message.streamed.length if message.streamed else 0
    if data.parts and streamed + text_bytes(data.parts) > MAX_MESSAGE_BYTES:
        raise _too_long("complete it without these parts")
    completed = MessageCompleted(
        message=message.id,
        parts=(*assemble(message.streamed), *data.parts),
        deltas=message.index,
        kind=message.kind,
        usage=data.usage,
    )
    return Decision((Fact(completed, message.audience, task=message.task),), (completed.subject(),))


def _too_long(instead: str) -> TooLarge:
    return TooLarge(f"A message holds at most {MAX_MESSAGE_BYTES:,} bytes of text; {instead}.")


def _refuse_known(messages: Messages, message: MessageId) -> None:
    if message in messages.known:
        raise Conflict(f"Message {message!r} exists already; choose another id.")


def _own(messages: Messages, command: Command, id: MessageId) -> Message:
    message = messages.known.get(id)
    if message is None or not sees(command.actor, including(message.audience, message.author)):
        raise NotFound(f"There is no message {id!r}; start it first.")
    if message.author != command.actor.id:
        raise Forbidden(f"Message {id!r} is {message.author!r}'s; only its author may go on with it.")
    return message


def _open(messages: Messages, command: Command, id: MessageId) -> Message:
    message = _own(messages, command, id)
    _refuse_closed(message)
    return message


def _refuse_closed(message: Message) -> None:
    if message.fenced:
        raise Fenced(f"Message {message.id!r} was ended by somebody else; stop.", message=message.id)
    if message.status != "open":
        raise Conflict(f"Message {message.id!r} is {message.status}; start another.", status_now=message.status)


def evolve(messages: Messages, event: Event) -> Messages:
    """Fold one event."""
    if event.type == MessageDelta.type:
        return _grow(messages, cast(_Piece, event.data))
    match event.data:
        case MessagePosted() as data:
            posted = Message(data.message, event.actor, data.kind, event.audience, event.version, "completed")
            return messages._replace(known=messages.known.set(data.message, posted))
        case MessageStarted() as data:
            about = (data.message, event.actor, data.kind, event.audience, event.version)
            known = messages.known.set(data.message, Message(*about, "open", task=event.task, run=data.run))
            open = messages.open.begun(data.message, event.actor, event.task)
            return messages._replace(known=known, open=open)
        case MessageCompleted() as data:
            message = messages.known[data.message]
            return _ended(messages, message._replace(status="completed", streamed=None))
        case MessageAborted() as data:
            message = messages.known[data.message]
            fenced = event.actor != message.author
            return _ended(messages, message._replace(status="aborted", streamed=None, fenced=fenced))
    return messages


def _ended(messages: Messages, message: Message) -> Messages:
    held = messages.known[message.id].streamed
    return Messages(
        messages.known.set(message.id, message),
        messages.open.ended(message.id, message.author, message.task),
        messages.open_bytes - (held.length if held else 0),
    )


def _grow(messages: Messages, piece: _Piece) -> Messages:
    message = messages.known[piece.message]
    if message.status != "open" or piece.index < message.index:
        # Deltas are written unconditionally: two gateways may both let one through that the other, or the message's
        # end, has made superfluous.
        return _with(messages, message, max(message.index, piece.index + 1), message.streamed)
    return _with(messages, message, piece.index + 1, extend(message.streamed, piece.part or "text", piece.text))


def _with(messages: Messages, message: Message, index: int, streamed: Streamed | None) -> Messages:
    id, author, kind, audience, since, status, _, before, task, fenced, run = message
    after = (id, author, kind, audience, since, status, index, streamed, task, fenced, run)
    known, open, open_bytes = messages
    if streamed is not None:
        open_bytes += streamed.length - (before.length if before is not None else 0)
    return new_unchecked(Messages, (known.set(id, new_unchecked(Message, after)), open, open_bytes))
