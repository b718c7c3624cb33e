"""A session played in memory, by the rules alone: for tests of rules, of views, and of what an agent says.

    session = Rehearsal("trip-7")
    session.do("hotels", "message.post", message="m1", text="Three hotels have rooms.")
    assert session.refusal("hotels", "message.post", message="m1", text="Again.").code == "conflict"

It keeps what a log keeps (stored bytes, dense versions, keys, and so the first result of a repeated command), and
folds only what it has read back from the bytes. It has neither clock nor chance: the same commands make the same
events. Each command takes a second; `wait` lets more of them pass, in which nothing is heard of anyone.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from ..domain.commands import parse_command
from ..domain.envelope import decode, encode, timestamp
from ..domain.errors import Conflict, Fenced, Refused
from ..domain.ids import Position, SessionId, TaskId, Version
from ..domain.model import TIMEKEEPER, Actor, Command, Event, Fact, Repeat
from ..domain.session import as_origin, deadlines, decide, evolve, fold
from ..domain.state import State
from ..log.commit.repetition import may_have_led_to

START = datetime(2026, 1, 1, tzinfo=UTC)


class Rehearsal:
    """One session. `events` are all that happened, `stored` the same as bytes, `state` what they come to."""

    def __init__(self, session: SessionId = "rehearsal", *, opened: bool = True) -> None:
        self.state = State(session)
        self.events: list[Event] = []
        self.stored: list[bytes] = []
        self._first: dict[str, tuple[Event, ...]] = {}
        self._commands = 0
        self._time = START
        if opened:
            self.do(Actor("director", "user"), "session.open")

    def do(self, actor: Actor | str, do: str, data: Any = None, /, **fields: Any) -> tuple[Event, ...]:
        """Carry out a command, whose payload is `data` or the fields; an actor given by name is an agent.

        Returns the events that it led to. Raises what the rules raise; then nothing has happened, unless they say that
        the refusal itself is recorded.
        """
        return self.execute(self.command(actor, do, fields if data is None else data))

    def under(
        self, task: TaskId, attempt: int, actor: Actor | str, do: str, data: Any = None, /, **fields: Any
    ) -> tuple[Event, ...]:
        """Carry out a command under a task."""
        command = self.command(actor, do, fields if data is None else data)
        return self.execute(command._replace(task=task, attempt=attempt))

    def wait(self, seconds: float) -> tuple[Event, ...]:
        """Let time pass in which nothing comes from anyone; what falls due happens then. Returns the events of that."""
        end, before = self._time + timedelta(seconds=seconds), len(self.events)
        while due := [each for each in deadlines(self.state) if each.when <= end]:
            first = min(due, key=lambda each: (each.when, each.id))
            self._time = max(self._time, first.when)
            self.execute(Command(first.id, self.state.id, TIMEKEEPER, self._time, first.data))
        self._time = end
        return tuple(self.events[before:])

    def fork(
        self, actor: Actor | str, session: SessionId, at: int | None = None, title: str | None = None
    ) -> "Rehearsal":
        """Fork this session at a version, by default the newest; returns the other one."""
        fork = Rehearsal(session, opened=False)
        upto = len(self.events) if at is None else at
        fork.events = [event._replace(session=session) for event in self.events[:upto]]
        fork.stored = self.stored[:upto]
        fork._time = self._time
        fork.state = as_origin(fold(State(self.state.id), self.events[:upto]), session)
        fork.do(actor, "session.fork", {"origin": self.state.id, "at": upto, **({"title": title} if title else {})})
        return fork

    def refusal(self, actor: Actor | str, do: str, data: Any = None, /, **fields: Any) -> Refused:
        """The refusal that a command meets. Raises AssertionError when it is accepted."""
        before = self.state
        try:
            events = self.do(actor, do, data, **fields)
        except Refused as refusal:
            if self.state is not before and not isinstance(refusal, Fenced):
                raise AssertionError(f"{do} was refused, and changed the session") from refusal
            return refusal
        raise AssertionError(f"{do} was accepted: {events}")

    def command(self, actor: Actor | str, do: str, data: Any) -> Command:
        """A command with the next id and the next second."""
        self._commands += 1
        actor = Actor(actor, "agent") if isinstance(actor, str) else actor
        self._time += timedelta(seconds=1)
        return Command(f"c-{self._commands}", self.state.id, actor, self._time, parse_command(do, data))

    def execute(self, command: Command) -> tuple[Event, ...]:
        """Carry out a command as a log would: a repeated one is answered with the events of the first time."""
        if command.data.keyed and (first := self._first.get(command.id)) is not None:
            if not may_have_led_to(command, first[0]):
                raise Conflict(f"{command.id!r} is the id of another command already; choose a new one for each.")
            return first
        command = command._replace(time=max(command.time, self.state.time))
        decision = decide(self.state, command)
        if decision.repeat is not None:
            return self._repeated(command, decision.repeat)
        events = self._append(command, decision.facts)
        if decision.refusal is not None:
            raise decision.refusal
        if command.data.keyed:
            self._first[command.id] = events
        return events

    def _append(self, command: Command, facts: Iterable[Fact]) -> tuple[Event, ...]:
        led_to = command.id if command.data.keyed else None
        cause, events = command.cause or led_to, []
        for fact in facts:
            version = Version(self.state.version + 1)
            id = f"e-{version}"
            stored = encode(id, fact, timestamp(command.time), command.actor.id, cause)
            event = decode(stored, Position(version), self.state.id, version)
            self.state = evolve(self.state, event)
            self.events.append(event)
            self.stored.append(stored)
            events.append(event)
            cause = led_to = led_to or id
        return tuple(events)

    def _repeated(self, command: Command, repeat: Repeat) -> tuple[Event, ...]:
        found = next(
            event
            for event in self.events[repeat.since :]
            if event.data.subject() == repeat.subject and getattr(event.data, "index", None) == repeat.index
        )
        if repeat.index is None:
            return (found,)
        if not may_have_led_to(command, found):
            raise Conflict(f"Delta {repeat.index} was another one; its text stays as it was.")
        return (found, *takewhile(lambda event: event.cause == found.id, self.events[found.version :]))
