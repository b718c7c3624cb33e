"""The events of a session as JSONL, as commands lead to them: all of it passes the rules that hold for live commands.

Ids are made from the content, so that the same commands give the same events, and importing them again changes nothing.
"""

import re
import uuid
from collections.abc import Iterator
from datetime import datetime

import orjson

from ...domain.envelope import encode, parse, timestamp
from ...domain.ids import SessionId
from ...domain.model import Actor, Command, CommandData
from ...domain.session import decide, evolve
from ...domain.state import State

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:stenogram:recording")


class SessionLines:
    """A session that is being written. `state` is what it has come to."""

    def __init__(self, session: SessionId) -> None:
        self.state = State(session)
        self._commands = 0

    def lines(self, actor: Actor, time: datetime, data: CommandData) -> Iterator[bytes]:
        """Carry out a command; its events as they go over the wire. Raises Refused, and then nothing has happened."""
        session, number = self.state.id, self._commands
        command = _id(session, f"command {number}", data.model_dump_json())
        facts = decide(self.state, Command(command, session, actor, time, data)).facts
        self._commands += 1
        for fact in facts:
            version = self.state.version + 1
            place = orjson.dumps({"position": version, "session": session, "version": version})
            stored = encode(_id(session, f"event {version}", command), fact, timestamp(time), actor.id, command)
            line = place[:-1] + b"," + stored[1:]
            self.state = evolve(self.state, parse(line))
            yield line


def slug(name: str) -> str:
    """A name as an id: small letters, digits and hyphens."""
    made = re.sub(r"[^a-z0-9._:@+-]+", "-", name.lower()).strip("-._:@+")
    return made[:120] or "unnamed"


def _id(session: SessionId, what: str, content: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{session}\n{what}\n{content}"))
