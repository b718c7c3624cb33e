"""Who may say what; and what a message comes to when it ends."""

from ...audience import including, sees
from ...errors import Conflict, Fenced, Forbidden, Invalid, NotFound, TooLarge
from ...ids import MessageId
from ...model import Command, Decision, Fact, Repeat, decided
from ...parts import TextPart, assemble, extend, text_bytes
from ...unchecked import new_unchecked
from ..open_work import MAX_OPEN_BYTES, refuse_more
from ..reports import Metadata, Usage, refuse_large
from .board import Message, Messages
from .commands import AbortMessage, CompleteMessage, PostMessage, StartMessage, StreamDelta
from .events import MAX_MESSAGE_BYTES, MessageAborted, MessageCompleted, MessagePosted, MessageStarted
from .fold import grown


def decide(messages: Messages, command: Command) -> Decision:
    """Apply the rules to one command."""
    if isinstance(command.data, StreamDelta):
        return _stream(messages, command, command.data)
    refuse_large(command.data)
    match command.data:
        case PostMessage() as data:
            return _post(messages, data)
        case StartMessage() as data:
            _refuse_known(messages, data.message)
            refuse_more(messages.open.number, "open messages")
            started = MessageStarted(
                message=data.message,
                kind=data.kind,
                reply_to=data.reply_to,
                run=command.run,
                metadata=data.metadata,
            )
            return decided(started, audience=data.audience)
        case CompleteMessage() as data:
            return _complete(_open(messages, command, data.message), data)
        case AbortMessage() as data:
            message = _open(messages, command, data.message)
            fact = aborted(message, data.reason, usage=data.usage, metadata=data.metadata)
            return Decision((fact,), (fact.data.subject(),))
    raise NotImplementedError(command.data.do)


def aborted(
    message: Message, reason: str | None, *, usage: Usage | None = None, metadata: Metadata | None = None
) -> Fact:
    """The end of an open message, with what had been said of it. Its author hears of it, no matter who ends it."""
    data = MessageAborted(
        message=message.id,
        parts=assemble(message.streamed),
        deltas=message.index,
        kind=message.kind,
        reason=reason,
        usage=usage,
        metadata=metadata,
    )
    return Fact(data, including(message.audience, message.author), task=message.task)


def _post(messages: Messages, data: PostMessage) -> Decision:
    _refuse_known(messages, data.message)
    if (data.text is None) == (not data.parts):
        raise Invalid("A message needs either text or parts, and not both.")
    parts = data.parts or (TextPart(text=data.text or ""),)
    if text_bytes(parts) > MAX_MESSAGE_BYTES:
        raise _too_long("post the rest as another")
    posted = MessagePosted(
        message=data.message,
        parts=parts,
        kind=data.kind,
        reply_to=data.reply_to,
        usage=data.usage,
        metadata=data.metadata,
    )
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
    after = grown(messages, message, index + 1, streamed)
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
        metadata=data.metadata,
    )
    return Decision((Fact(completed, message.audience, task=message.task),), (completed.subject(),))


def _too_long(instead: str) -> TooLarge:
    return TooLarge(f"A message holds at most {MAX_MESSAGE_BYTES:,} bytes of text; {instead}.")


def _refuse_known(messages: Messages, message: MessageId) -> None:
    if message in messages.known:
        raise Conflict(f"Message {message!r} exists already; choose another id.", exists=message)


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
