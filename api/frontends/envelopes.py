"""What all protocols take of an event's envelope."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson

from ...domain.concepts.messages import Message
from ...domain.ids import NAME_PATTERN
from ...domain.model import Kind
from ...domain.parts import StreamedKind, assemble
from ...domain.state import State

Members = dict[str, Any]
KindOf = Callable[[str], Kind | None]
CLIENT_ID = "client.id"
"""The member of a message's metadata with the id that its page gave it, where that cannot be an id here."""


def envelope(members: Members, *more: str) -> Members:
    """What is ours of an event: who, under which task, for whom; and these members of its data."""
    about: Members = {name: members[name] for name in ("actor", "task", "audience", "version") if name in members}
    data = members["data"]
    return {**about, **{name: data[name] for name in more if data.get(name) is not None}}


def milliseconds(time: str) -> int:
    """A time of an envelope, in milliseconds since 1970."""
    return int(datetime.fromisoformat(time).timestamp() * 1_000)


def role_of(author: str, posted: bool, kind: KindOf) -> str:
    """People are users, and everyone else is an assistant. Who never joined is a person if they post whole messages."""
    known = kind(author)
    return "user" if known == "user" or (known is None and posted) else "assistant"


def kinds_of(state: State) -> KindOf:
    """What each participant is, from the session's state."""
    presence = state.presence
    return lambda id: presence[id].kind if id in presence else None


def members_of_open(message: Message) -> Members:
    """A message that is being streamed, as its envelope has it."""
    given = {"task": message.task, "audience": message.audience}
    about = {name: value for name, value in given.items() if value is not None}
    return {"actor": message.author, **about, "version": message.since, "data": {"message": message.id}}


def texts_of_open(message: Message) -> dict[StreamedKind, str]:
    """What is said and thought so far in a message that is being streamed, in the order in which these began."""
    pieces: dict[StreamedKind, list[str]] = {}
    for part in assemble(message.streamed):
        pieces.setdefault(part.kind, []).append(part.text)
    return {kind: "".join(texts) for kind, texts in pieces.items()}


def message_id(id: str) -> str:
    """The id of a page's message here: the same, if it can be one."""
    if len(id) <= 128 and re.fullmatch(NAME_PATTERN, id):
        return id
    return f"client.{sha256(id.encode()).hexdigest()}"


def shown_id(data: Members) -> str:
    """The id of a message for pages: that which its page gave it. Only where this means the same message here: pages
    send back what they have, and what is not known is posted in their person's name."""
    given = (data.get("metadata") or {}).get(CLIENT_ID)
    return given if isinstance(given, str) and message_id(given) == data["message"] else str(data["message"])


def text_in(parts: Iterable[Members], kind: StreamedKind) -> str:
    """What is said, or thought, in these parts."""
    return "".join([part["text"] for part in parts if part["kind"] == kind])


def arguments_text(data: Members) -> str:
    """A call's arguments, as text."""
    arguments = data.get("arguments")
    return "{}" if arguments is None else orjson.dumps(arguments).decode()


def result_text(data: Members) -> str:
    """What a call came to, as text: what it returned, or else why it failed, or what it had put out."""
    result = data.get("result")
    if isinstance(result, str):
        return result
    if result is not None:
        return orjson.dumps(result).decode()
    return str(data.get("error") or data.get("output") or data.get("reason") or "")
