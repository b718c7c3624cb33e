"""Planning: what waits is decided in memory and becomes one batch.

Each request is decided against the session as the requests before it in the same batch leave it. A request that is
refused is set aside and takes nothing from the others. Planning changes no cache: when the commit fails, the plan is
dropped and nothing has happened; when it succeeds, `Plan.settle` hands its results over.
"""

import logging
from collections.abc import Mapping
from datetime import datetime

from ..domain.envelope import encode, microseconds, timestamp
from ..domain.errors import Conflict, HansardError, Refused, StaleProducer
from ..domain.ids import Position, SessionId, Version, new_id
from ..domain.model import Command, Event, Fact, Repeat
from ..domain.session import State, decide, evolve
from .cache import Places, Sessions
from .records import ANYTHING, Appended, Batch, Draft, Producer, ProducerMark, Record
from .requests import Execute, Request, Write

_logger = logging.getLogger(__name__)


class Plan:
    """One batch in the making, and what becomes of each request in it."""

    def __init__(self, after: Position, sessions: Sessions, places: Places) -> None:
        self.batch = Batch(after, [], {}, {}, {})
        self.accepted: list[tuple[Request, Appended]] = []
        self.refused: list[tuple[Request, HansardError]] = []
        self.repeats: list[tuple[Request, Repeat]] = []
        self.later: list[Request] = []
        self._sessions = sessions
        self._places = places
        self._states: dict[SessionId, State] = {}
        self._keys: set[tuple[SessionId, str]] = set()
        self._raw: set[SessionId] = set()
        self._clock: tuple[datetime | None, str, int] = (None, "", 0)

    def add(self, request: Request) -> None:
        """Decide one request. Never raises for what is wrong with it."""
        key = request.key
        if key is not None and (request.session, key) in self._keys:
            self.later.append(request)
            return
        try:
            if isinstance(request, Execute):
                self._execute(request)
            elif isinstance(request, Write):
                self._write(request)
        except Refused as refusal:
            self.refused.append((request, refusal))
        except Exception as fault:  # a fault in one rule must not take the others' commands with it
            _logger.exception("deciding a request failed")
            self.refused.append((request, HansardError(f"Deciding this failed inside the server: {fault!r}.")))
        else:
            if key is not None:
                self._keys.add((request.session, key))

    def settle(self) -> None:
        """Hand over to the caches what is now in the log."""
        self._places.advance(self.batch)
        for state in self._states.values():
            self._sessions.put(state)
        for session in self._raw:
            self._sessions.forget(session)

    def _execute(self, request: Execute) -> None:
        command = request.command
        if command.session in self._raw:
            self.later.append(request)
            return
        state = self._states.get(command.session) or self._sessions.get(command.session)
        assert state is not None, "only requests whose session is at hand are planned"
        if request.producer is not None and self._is_repeat(command.session, request.producer):
            self.accepted.append((request, Appended((), (), repeated=True)))
            return
        self._check(command.session, request.expect)
        decision = decide(state, command)
        if decision.repeat is not None:
            self.repeats.append((request, decision.repeat))
            return
        first = len(self.batch.records)
        drafts = []
        for number, fact in enumerate(decision.facts):
            key = request.key if number == 0 else None
            draft, state = self._draft(state, command, fact, key, Position(self.batch.after + first + number + 1))
            drafts.append(draft)
        for draft, version in zip(drafts, range(state.version - len(drafts) + 1, state.version + 1), strict=True):
            self._place(command.session, Version(version), draft)
        self._states[command.session] = state
        self._accept(request, first, request.producer)

    def _draft(
        self, state: State, command: Command, fact: Fact, key: str | None, position: Position
    ) -> tuple[Draft, State]:
        """Encode one decided fact and fold it: the same event, as bytes and in memory."""
        stamp, micros = self._time(command.time)
        data, id, actor = fact.data, new_id(), command.actor.id
        type = fact.type or data.type
        cause = command.id if command.data.keyed else None
        stored = encode(id, fact, stamp, actor, cause)
        version = Version(state.version + 1)
        event = Event(position, state.id, version, id, type, command.time, actor, data, None, cause, fact.audience)
        draft = Draft(type, fact.subject or data.subject(), stored, micros, key, data.also())
        return draft, evolve(state, event)

    def _write(self, request: Write) -> None:
        append = request.append
        session = append.session
        if append.producer is not None and self._is_repeat(session, append.producer):
            self.accepted.append((request, Appended((), (), repeated=True)))
            return
        self._check(session, append.expect)
        first = len(self.batch.records)
        head = self._head(session, ANYTHING)
        version = head + 1 if append.first_version is None else append.first_version
        for draft in append.drafts:
            self._place(session, Version(version), draft)
            version += 1
        if append.drafts:
            self._raw.add(session)
            self._states.pop(session, None)
        if append.tracking is not None:
            name, position = append.tracking
            self.batch.tracking[name] = position
        self._accept(request, first, append.producer)

    def _place(self, session: SessionId, version: Version, draft: Draft) -> Position:
        batch = self.batch
        position = Position(batch.after + len(batch.records) + 1)
        batch.records.append(
            Record(position, session, version, draft.subject, draft.type, draft.data, draft.key, draft.time)
        )
        heads = batch.heads
        heads[session, draft.subject] = version
        for subject in draft.also:
            heads[session, subject] = version
        heads[session, ANYTHING] = max(version, heads.get((session, ANYTHING), version))
        return position

    def _accept(self, request: Request, first: int, producer: Producer | None) -> None:
        written = self.batch.records[first:]
        result = Appended(tuple([record.version for record in written]), tuple([record.position for record in written]))
        if producer is not None and written:
            mark = ProducerMark(producer.epoch, producer.seq, written[-1].position)
            self.batch.producers[request.session, producer.id] = mark
        self.accepted.append((request, result))

    def _head(self, session: SessionId, subject: str) -> Version:
        head = self.batch.heads.get((session, subject))
        if head is None:
            head = self._places.head(session, subject)
        assert head is not None, "only requests whose heads are at hand are planned"
        return head

    def _check(self, session: SessionId, expect: Mapping[str, Version]) -> None:
        for subject, version in expect.items():
            head = self._head(session, subject)
            if head != version:
                raise Conflict(
                    f"{subject or 'The session'} stands at version {head}, not {version}; look at it and try again.",
                    subject=subject,
                    version=head,
                )

    def _is_repeat(self, session: SessionId, producer: Producer) -> bool:
        mark = self.batch.producers.get((session, producer.id)) or self._places.producer(session, producer.id)
        assert mark is not None, "only requests whose producer is at hand are planned"
        if producer.epoch < mark.epoch:
            raise StaleProducer(
                f"Producer {producer.id!r} wrote in epoch {mark.epoch}; epoch {producer.epoch} is fenced.",
                epoch=mark.epoch,
            )
        if producer.epoch > mark.epoch:
            return False
        if producer.seq > mark.seq + 1:
            raise Conflict(
                f"Append {producer.seq} of producer {producer.id!r} came before {mark.seq + 1}; send that first.",
                expected=mark.seq + 1,
            )
        return producer.seq <= mark.seq

    def _time(self, time: datetime) -> tuple[str, int]:
        known, stamp, micros = self._clock
        if known is not time:
            stamp, micros = timestamp(time), microseconds(time)
            self._clock = (time, stamp, micros)
        return stamp, micros


def needs(request: Request) -> tuple[set[tuple[SessionId, str]], set[tuple[SessionId, str]]]:
    """The heads and producers that must be at hand to plan this request."""
    session = request.session
    heads = {(session, ANYTHING)} if isinstance(request, Write) else set()
    if isinstance(request, Execute | Write):
        heads |= {(session, subject) for subject in request.expect}
        if request.producer is not None:
            return heads, {(session, request.producer.id)}
    return heads, set()
