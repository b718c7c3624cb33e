"""A session played in memory, by the rules alone: for tests of rules, of views, and of what an agent says.

    session = Rehearsal("trip-7")
    session.do("hotels", "message.post", message="m1", text="Three hotels have rooms.")
    assert session.refusal("hotels", "message.post", message="m1", text="Again.").code == "conflict"

It keeps what a log keeps (stored bytes, dense versions, keys, and so the first result of a repeated command), and
folds only what it has read back from the bytes. It has neither clock nor chance: the same commands make the same
events.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from ..domain.commands import parse_command
from ..domain.envelope import decode, encode, timestamp
from ..domain.errors import Refused
from ..domain.ids import Position, SessionId, Version
from ..domain.model import Actor, Command, Event, Fact, Repeat
from ..domain.session import State, decide, evolve

START = datetime(2026, 1, 1, tzinfo=UTC)


class Rehearsal:
    """One session. `events` are all that happened, `stored` the same as bytes, `state` what they come to."""

    def __init__(self, session: SessionId = "rehearsal", *, opened: bool = True) -> None:
        self.state = State(session)
        self.events: list[Event] = []
        self.stored: list[bytes] = []
        self._first: dict[str, tuple[Event, ...]] = {}
        self._commands = 0
        if opened:
            self.do(Actor("director", "user"), "session.open")

    def do(self, actor: Actor | str, do: str, data: Any = None, /, **fields: Any) -> tuple[Event, ...]:
        """Carry out a command, whose payload is `data` or the fields; an actor given by name is an agent.

        Returns the events that it led to. Raises what the rules raise; then nothing has happened.
        """
        return self.execute(self.command(actor, do, fields if data is None else data))

    def refusal(self, actor: Actor | str, do: str, data: Any = None, /, **fields: Any) -> Refused:
        """The refusal that a command meets. Raises AssertionError when it is accepted."""
        before = self.state
        try:
            events = self.do(actor, do, data, **fields)
        except Refused as refusal:
            assert self.state is before
            return refusal
        raise AssertionError(f"{do} was accepted: {events}")

    def command(self, actor: Actor | str, do: str, data: Any) -> Command:
        """A command with the next id and the next second."""
        self._commands += 1
        actor = Actor(actor, "agent") if isinstance(actor, str) else actor
        time = START + timedelta(seconds=self._commands)
        return Command(f"c-{self._commands}", self.state.id, actor, time, parse_command(do, data))

    def execute(self, command: Command) -> tuple[Event, ...]:
        """Carry out a command as a log would: a repeated one is answered with the events of the first time."""
        if command.data.keyed and command.id in self._first:
            return self._first[command.id]
        decision = decide(self.state, command)
        if decision.repeat is not None:
            return (self._repeated(decision.repeat),)
        events = tuple(self._append(command, fact) for fact in decision.facts)
        if command.data.keyed:
            self._first[command.id] = events
        return events

    def _append(self, command: Command, fact: Fact) -> Event:
        version = Version(self.state.version + 1)
        cause = command.id if command.data.keyed else None
        stored = encode(f"e-{version}", fact, timestamp(command.time), command.actor.id, cause)
        event = decode(stored, Position(version), self.state.id, version)
        self.state = evolve(self.state, event)
        self.events.append(event)
        self.stored.append(stored)
        return event

    def _repeated(self, repeat: Repeat) -> Event:
        return next(
            event
            for event in self.events[repeat.since :]
            if event.data.subject() == repeat.subject and getattr(event.data, "index", None) == repeat.index
        )
