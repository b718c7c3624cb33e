"""A naive log, to compare a real one with: it takes one request at a time and has neither batches nor caches.

    await play(factory, [[Do(post("m-1")), Do(post("m-1"))], [Restart()], [Note("s-1", "task:t")]])

A *burst* is a list of steps that are asked for without waiting for answers, at once but for a `Breath` between them.
Both logs must answer alike, and hold the same in the end. Positions of different sessions in one burst may interleave
either way.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from ....domain.errors import Refused, StenogramError
from ....domain.ids import Position, SessionId, Version
from ....domain.model import Command, CommandData, Event
from ....domain.session import decide, evolve
from ....domain.state import State
from ....log.commit.folding import fold_records
from ....log.commit.session_cache import UNKNOWN_PRODUCER
from ....log.log import Log
from ....log.records import ANYTHING, Append, Appended, Producer, ProducerState, Record
from .factory import LogFactory, draft, everything


class Do(NamedTuple):
    """A command."""

    command: Command
    expect: Mapping[str, Version] = {}
    producer: Producer | None = None


class Note(NamedTuple):
    """An append of some events about a subject."""

    session: SessionId
    subject: str
    number: int = 1
    expect: Mapping[str, Version] = {}
    producer: Producer | None = None
    first_version: int | None = None
    key: str | None = None

    def append(self) -> Append:
        """What is asked of the log."""
        drafts = tuple(draft(self.subject, self.key if number == 0 else None) for number in range(self.number))
        return Append(self.session, drafts, self.expect, self.producer, self.first_version)


class Restart(NamedTuple):
    """The log is closed and opened again, with room for so many sessions; stands alone in its burst."""

    cached_sessions: int = 2


class Breath(NamedTuple):
    """The loop turns this often before the next step: what was asked for gets as far as it can."""

    turns: int = 1


Step = Do | Note | Breath | Restart
Outcome = tuple[int, ...] | str


@dataclass
class _Session:
    state: State
    events: dict[int, tuple[str, str]] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)
    keys: dict[str, tuple[int, ...]] = field(default_factory=dict)
    deltas: dict[tuple[str, int | None], int] = field(default_factory=dict)
    texts: dict[tuple[str, int | None], str] = field(default_factory=dict)
    said: dict[str, CommandData] = field(default_factory=dict)
    numbered: dict[str, CommandData | None] = field(default_factory=dict)
    producers: dict[str, ProducerState] = field(default_factory=dict)

    def places(self, start: int, number: int) -> tuple[int, ...]:
        """The first `number` versions from `start` on that there are."""
        return tuple(sorted(version for version in self.events if version >= start)[:number])


class NaiveLog:
    """What a log comes to. `ask` gives the versions that a step took, or the code of its refusal."""

    def __init__(self) -> None:
        self.sessions: dict[SessionId, _Session] = {}

    def session(self, id: SessionId) -> _Session:
        """A session, also one without events."""
        return self.sessions.setdefault(id, _Session(State(id)))

    def ask(self, step: Do | Note) -> Outcome:
        """Carry out a step, or refuse it."""
        if isinstance(step, Do):
            return self._do(self.session(step.command.session), step)
        return self._note(self.session(step.session), step)

    def first_places(self, step: Do | Note) -> tuple[int, ...] | None:
        """What was answered to what first had the step's key."""
        if isinstance(step, Do):
            return self.session(step.command.session).keys.get(step.command.id)
        session = self.session(step.session)
        if step.key is None or step.key not in session.keys:
            return None
        start = session.keys[step.key][0]
        return session.places(start, step.number) if step.first_version in (None, start) else None

    def repeats_the_last(self, step: Do) -> bool:
        """Whether a step has the number of its producer's last one, and says the same."""
        assert step.producer is not None
        last = self.session(step.command.session).numbered.get(step.producer.id)
        return last == step.command.data

    def _do(self, session: _Session, step: Do) -> Outcome:
        command = step.command
        keyed = command.data.keyed and step.producer is None
        if keyed and command.id in session.keys:
            first = session.said.get(command.id)
            return session.keys[command.id] if first is None or first == command.data else "conflict"
        stopped = _stopped(session, step.producer, step.expect)
        if stopped is not None:
            return stopped
        try:
            decision = decide(session.state, command)
        except Refused as refusal:
            return refusal.code
        if decision.repeat is not None:
            before = session.texts[decision.repeat.subject, decision.repeat.index]
            if getattr(command.data, "text", before) != before:
                _count(session, step.producer)
                return "conflict"
            _count(session, step.producer)
            return (session.deltas[decision.repeat.subject, decision.repeat.index],)
        versions = []
        for fact in decision.facts:
            version = Version(session.state.version + 1)
            type, subject = fact.type or fact.data.type, fact.subject or fact.data.subject()
            event = Event(Position(0), session.state.id, version, "e", type, command.time, command.actor.id, fact.data)
            session.state = evolve(session.state, event)
            _put(session, version, type, subject, *fact.data.also())
            if type in ("message.delta", "tool.output"):
                place = subject, getattr(fact.data, "index", 0)
                session.deltas[place], session.texts[place] = version, getattr(fact.data, "text", "")
            versions.append(version)
        _count(session, step.producer)
        if step.producer is not None:
            session.numbered[step.producer.id] = command.data
        if keyed:
            session.keys[command.id] = tuple(versions)
            session.said[command.id] = command.data
        return tuple(versions)

    def _note(self, session: _Session, step: Note) -> Outcome:
        stopped = _stopped(session, step.producer, step.expect)
        if step.key is not None and step.key in session.keys and stopped != ():
            return self.first_places(step) or "conflict"
        if stopped is not None:
            return stopped
        first = session.state.version + 1 if step.first_version is None else step.first_version
        versions = range(first, first + step.number)
        if not session.events.keys().isdisjoint(versions):
            return "conflict"
        for version in versions:
            _put(session, version, "x.noted", step.subject)
            session.state = session.state._replace(version=Version(max(session.state.version, version)))
        _count(session, step.producer)
        if step.producer is not None:
            session.numbered[step.producer.id] = None
        if step.key is not None:
            session.keys[step.key] = tuple(versions)
        return tuple(versions)


def _stopped(session: _Session, producer: Producer | None, expect: Mapping[str, Version]) -> Outcome | None:
    if producer is not None:
        state = session.producers.get(producer.id, UNKNOWN_PRODUCER)
        if producer.epoch < state.epoch:
            return "stale_producer"
        if producer.epoch == state.epoch and producer.seq != state.seq + 1:
            return () if producer.seq <= state.seq else "conflict"
    met = all(session.heads.get(subject, 0) == version for subject, version in expect.items())
    return None if met else "conflict"


def _count(session: _Session, producer: Producer | None) -> None:
    if producer is not None:
        session.producers[producer.id] = ProducerState(producer.epoch, producer.seq, Position(0))


def _put(session: _Session, version: int, type: str, *subjects: str) -> None:
    session.events[version] = (type, subjects[0])
    if version > session.heads.get(ANYTHING, 0):
        for subject in (*subjects, ANYTHING):
            session.heads[subject] = version


async def play(factory: LogFactory, bursts: Sequence[Sequence[Step]], cached_sessions: int = 2) -> None:
    """Put the same questions to a log and to a naive one. Raises AssertionError where they differ."""
    naive = NaiveLog()
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(factory(cached_sessions=cached_sessions))
        for burst in bursts:
            for step in burst:
                if isinstance(step, Restart):
                    await log.__aexit__()
                    log = await stack.enter_async_context(factory.again(log, cached_sessions=step.cached_sessions))
            await _ask(log, naive, [step for step in burst if not isinstance(step, Restart)])
            await _compare(log, naive)


async def _ask(log: Log, naive: NaiveLog, steps: Sequence[Do | Note | Breath]) -> None:
    asked: list[tuple[Do | Note, asyncio.Future[Appended]]] = []
    for step in steps:
        if isinstance(step, Do):
            asked.append((step, log.submit(step.command, expect=step.expect, producer=step.producer)))
        elif isinstance(step, Note):
            asked.append((step, log.append(step.append())))
        else:
            for _ in range(step.turns):
                await asyncio.sleep(0)
    expected = [naive.ask(step) for step, _ in asked]
    for (step, answer), outcome in zip(asked, expected, strict=True):
        answered = await _outcome(answer)
        # If it was refused, and then the same came again and was accepted, either answer is true; and so is a conflict,
        # if it was another one that came under its id.
        later = naive.first_places(step) if isinstance(outcome, str) else None
        possible: tuple[Outcome | None, ...] = (outcome,) if later is None else (outcome, later, "conflict")
        if outcome == () and isinstance(step, Do) and not naive.repeats_the_last(step):
            possible = ((), "conflict")  # it is told where that can be seen
        assert answered in possible, f"{step} was answered with {answered}, not {outcome}"


async def _outcome(answer: "asyncio.Future[Appended]") -> Outcome:
    try:
        return (await answer).versions
    except StenogramError as error:
        return error.code


async def _compare(log: Log, naive: NaiveLog) -> None:
    records = await everything(log)
    assert [record.position for record in records] == [*range(1, len(records) + 1)]
    assert log.position == len(records)
    found: dict[SessionId, list[Record]] = {id: [] for id in naive.sessions}
    for record in records:
        found[record.session].append(record)
    for id, session in naive.sessions.items():
        own = sorted(found[id], key=lambda record: record.version)
        assert {record.version: (record.type, record.subject) for record in own} == session.events
        assert await log.state(id) == fold_records(State(id), own)
        asked = [(id, subject) for subject in session.heads]
        assert await log.engine.read_heads(asked) == {(id, each): head for each, head in session.heads.items()}
