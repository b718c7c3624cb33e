"""The events of a session as JSONL, as commands lead to them: all of it passes the rules that hold for live commands.

Ids are made from the content, so that the same commands give the same events, and importing them again changes nothing.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

import orjson

from ...domain.envelope import encode, parse, timestamp
from ...domain.ids import SessionId, recorded_event_id, recorded_id
from ...domain.model import Actor, Command, CommandData
from ...domain.session import decide, evolve
from ...domain.state import State


class SessionLines:
    """A session that is being written. `state` is what it has come to; `on_command` is told each command that the rules
    took."""

    def __init__(self, session: SessionId, on_command: Callable[[Command], None] | None = None) -> None:
        self.state = State(session)
        self._commands = 0
        self._on_command = on_command

    def lines(self, actor: Actor, time: datetime, data: CommandData, id: str | None = None) -> Iterator[bytes]:
        """Carry out a command; its events as they go over the wire. Raises Refused, and then nothing has happened. With
        an `id` of its own it does not count among those that have theirs from their number."""
        session, number = self.state.id, self._commands
        command = Command(id or "-", session, actor, time, data, recorded=True)
        if id is None:
            command = command._replace(id=recorded_id(session, f"command {number}", data.model_dump_json()))
        facts = decide(self.state, command).facts
        self._commands += id is None
        if self._on_command is not None:
            self._on_command(command)
        for fact in facts:
            version = self.state.version + 1
            place = orjson.dumps({"position": version, "session": session, "version": version})
            event = recorded_event_id(session, version, command.id)
            stored = encode(event, fact, timestamp(time), actor.id, command.id)
            line = place[:-1] + b"," + stored[1:]
            self.state = evolve(self.state, parse(line))
            yield line


def slug(name: str) -> str:
    """A name as an id: small letters, digits and hyphens."""
    made = re.sub(r"[^a-z0-9._:@+-]+", "-", name.lower()).strip("-._:@+")
    return made[:120] or "unnamed"
