"""What a decided command comes to: its facts encoded, given their places, and folded.

A command from which a great deal follows is worked out beside the line, a slice at a time, so that the loop goes on
meanwhile: what is decided and folded is persistent, and nobody else in this process writes to its session until it is
back in the line. It enters the log whole all the same, by one commit. Should the session have moved meanwhile, because
another process wrote to it, what was worked out is dropped.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from ...domain.consequences import LongDecision
from ...domain.envelope import encode, microseconds, timestamp
from ...domain.errors import Refused
from ...domain.ids import EventId, Position, Version, new_id, recorded_event_id
from ...domain.model import Command, Decision, Event, Fact
from ...domain.session import evolve, evolve_by
from ...domain.state import State
from ...domain.unchecked import new_unchecked
from ..records import ANYTHING, Record
from .rest import Stopwatch
from .session_cache import Heads

MOST_AT_ONCE = 256
"""Facts that may follow from a command which is planned in its turn: about 8 ms of work."""
MAX_FACT_BYTES = 16 * 2**20
"""Bytes of the events of commands that are planned at once: what ends a streamed message has all of its text."""
SLICE = 64
"""Facts that are worked out between two turns of the loop, beside the line: about 2 ms."""
PATIENCE = 3
"""How often a command is worked out beside the line. If its session moves each time, it is planned in its turn."""

E = TypeVar("E", bound=Exception)
Outcome = tuple[list[Record], Heads, State]
"""A command's records, the heads that they leave, and the session after them."""


def carry_out(
    command: Command,
    facts: Sequence[Fact],
    after: Any,
    before: State,
    position: int,
    key: str | None,
    first: bool = True,
) -> Outcome:
    """Encode the facts and fold them. They come after `position`; `key` is the first one's, `after` as a decision has
    it. Where they are a command's `first`, the first one's cause is what the command names as that; all others'
    is the command."""
    session, actor = command.session, command.actor.id
    recorded = command.recorded
    led_to = command.id if command.data.keyed or recorded else None
    cause = (command.cause or led_to) if first else led_to
    stamp, micros = _moment(command.time)
    version: int = before.version
    state = before
    written: list[Record] = []
    heads: Heads = {}
    for fact in facts:
        data = fact.data
        position, version = position + 1, version + 1
        id = recorded_event_id(session, version, command.id) if recorded else new_id()
        about, type = fact.subject or data.subject(), fact.type or data.type
        stored = encode(id, fact, stamp, actor, cause)
        record = new_unchecked(Record, (position, session, version, about, type, stored, key, micros))
        key = None
        written.append(record)
        heads[session, about] = record.version
        for subject in data.also():
            heads[session, subject] = record.version
        if after is None:
            state = evolve(state, _event(id, command, cause, fact, record))
        cause = led_to = led_to or id  # what follows from a delta names that
    if after is not None:
        state = evolve_by(before, command, len(facts), after)
    heads[session, ANYTHING] = Version(version)
    return written, heads, state


def without_frames(error: E) -> E:
    """An error that is kept. The frames from which it came hold the request that it answers, and so the error: a circle
    in which the session, and what was made of it, would stay until the collector comes by."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


@lru_cache(16)
def _moment(time: datetime) -> tuple[str, int]:
    """A time as it is written, and as it is counted; what came in together shares one."""
    return timestamp(time), microseconds(time)


def _event(id: EventId, command: Command, cause: str | None, fact: Fact, record: Record) -> Event:
    """The same as `record`, in memory."""
    return Event(
        record.position,
        record.session,
        record.version,
        id,
        record.type,
        command.time,
        command.actor.id,
        fact.data,
        fact.task,
        cause,
        fact.audience,
    )


class Cascade:
    """A command that is worked out beside the line; `earlier` is the last time, which was in vain."""

    def __init__(self, command: Command, begun: LongDecision, earlier: "Cascade | None") -> None:
        self._tries: int = 1 if earlier is None else earlier._tries + 1
        self._command = command
        self._before = begun.before
        self._begun = without_frames(begun)
        self._outcome: Outcome | None = None
        self._refusal: Refused | None = None

    @property
    def worked_out(self) -> bool:
        """Whether it has come to something."""
        return self._outcome is not None or self._refusal is not None

    @property
    def most(self) -> int | None:
        """The facts that may follow when it is decided once more."""
        return MOST_AT_ONCE if self._tries < PATIENCE else None

    def placed(self, before: State, after: Position) -> Outcome | None:
        """The outcome behind this position; None when there is none on this state of the session. Raises Refused if
        that is what it came to."""
        if self._before is not before:
            return None
        if self._refusal is not None:
            raise self._refusal
        if self._outcome is None:
            return None
        written, heads, state = self._outcome
        return [new_unchecked(Record, (after + at, *rest)) for at, *rest in written], heads, state

    async def work_out(self, key: str | None, rest: Callable[[float], float]) -> None:
        """Do all of it, letting the loop go on again and again; `rest` says for how long, after so much work."""
        try:
            decision = await self._decide(rest)
        except Refused as refusal:
            self._refusal = without_frames(refusal)
            return
        state = self._before
        written: list[Record] = []
        heads: Heads = {}
        for first in range(0, len(decision.facts), SLICE):
            some, more, state = carry_out(
                self._command, decision.facts[first : first + SLICE], None, state, len(written), key, first == 0
            )
            key = None
            written += some
            heads |= more
            await asyncio.sleep(0)
        self._outcome = written, heads, state

    async def _decide(self, rest: Callable[[float], float]) -> Decision:
        await asyncio.sleep(0)  # the loop goes on with what else there is
        watch = Stopwatch()
        while (decision := self._begun.go_on(SLICE)) is None:
            await asyncio.sleep(rest(watch.lap()))
            watch.lap()
        return decision
