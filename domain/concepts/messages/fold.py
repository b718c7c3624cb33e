"""What becomes of a message by each event."""

from typing import cast

from ...model import Event
from ...parts import Streamed, extend
from ...unchecked import new_unchecked
from .board import Message, Messages
from .events import MessageAborted, MessageCompleted, MessageDelta, MessagePosted, MessageStarted, Piece


def evolve(messages: Messages, event: Event) -> Messages:
    """Fold one event."""
    if event.type == MessageDelta.type:
        return _grow(messages, cast(Piece, event.data))
    match event.data:
        case MessagePosted() as data:
            posted = Message(data.message, event.actor, data.kind, event.audience, event.version, "completed")
            return messages._replace(known=messages.known.set(data.message, posted))
        case MessageStarted() as data:
            about = (data.message, event.actor, data.kind, event.audience, event.version)
            known = messages.known.set(data.message, Message(*about, "open", task=event.task, run=data.run))
            return Messages(known, messages.open.begun(data.message, event.actor, event.task))
        case MessageCompleted() as data:
            message = messages.known[data.message]
            return _ended(messages, message._replace(status="completed", streamed=None))
        case MessageAborted() as data:
            message = messages.known[data.message]
            fenced = event.actor != message.author
            return _ended(messages, message._replace(status="aborted", streamed=None, fenced=fenced))
    return messages


def _ended(messages: Messages, message: Message) -> Messages:
    open = messages.open.ended(message.id, message.author, message.task)
    return Messages(messages.known.set(message.id, message), open)


def _grow(messages: Messages, piece: Piece) -> Messages:
    message = messages.known[piece.message]
    if message.status != "open" or piece.index < message.index:
        # Deltas are written unconditionally: two gateways may both let one through that the other, or the message's
        # end, has made superfluous.
        return grown(messages, message, max(message.index, piece.index + 1), message.streamed)
    return grown(messages, message, piece.index + 1, extend(message.streamed, piece.part or "text", piece.text))


def grown(messages: Messages, message: Message, index: int, streamed: Streamed | None) -> Messages:
    """With a message of which so much was streamed."""
    id, author, kind, audience, since, status, _, _, task, fenced, run = message
    after = (id, author, kind, audience, since, status, index, streamed, task, fenced, run)
    known, open = messages
    return new_unchecked(Messages, (known.set(id, new_unchecked(Message, after)), open))
