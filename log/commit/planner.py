"""Planning: what waits is decided in memory and becomes one batch.

Each request is decided against the session as the requests before it in the same batch leave it. A request that is
refused is set aside and takes nothing from the others. Planning reads and changes no cache: when the commit fails, the
plan is dropped and nothing has happened; when it succeeds, `Plan.settle` hands its results over.

A plan can be made on top of another that is being written, of commands that need nothing but their session.
When the lower one fails, both are dropped.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ...domain.consequences import LongDecision
from ...domain.errors import Conflict, Refused, StaleProducer, StenogramError
from ...domain.ids import Position, SessionId, Version
from ...domain.model import Actor, Command, Repeat
from ...domain.session import LIVELY, LIVELY_TYPES, decide, is_live
from ...domain.state import State
from ...domain.unchecked import new_unchecked
from ..records import ANYTHING, Append, Appended, Batch, Draft, Producer, ProducerState, Record
from ..stats import Commit
from .outcome import MAX_FACT_BYTES, MOST_AT_ONCE, Cascade, carry_out, without_frames
from .requests import Execute, Key, Request, Review, Write
from .session_cache import HeadCache, Heads, Producers, SessionCache
from .visibility import is_hidden, may_hide

MAX_HELD_S = 0.004
"""Seconds of deciding commands that take long, after which others get their turn."""
_logger = logging.getLogger(__name__)


class Known(NamedTuple):
    """The heads and producers that a batch's requests need."""

    heads: Heads
    producers: Producers


NOTHING = Known({}, {})


class Plan:
    """One batch in the making, and what becomes of each request in it.

    `requests` are all of them, in the order in which they came.
    `fenced` are refused as well, and that is on record: they are told when it has been written.
    `repeats` come with the version at which their session was looked at, and `numbered`, which
    repeat an append of their producer, with the last of those.
    `later` are requests that cannot be decided before this batch is in the log, or that take too long to be planned in
    their turn, and those after them in their sessions: requests of one session keep their order.
    """

    def __init__(self, after: Position, known: Known = NOTHING) -> None:
        self.batch = Batch(after, [], {}, {}, {}, {})
        self.requests: list[Request] = []
        self.commit: Commit | None = None  # by which it was written
        self.accepted: list[tuple[Request, Appended]] = []
        self.refused: list[tuple[Request, StenogramError]] = []
        self.fenced: list[tuple[Request, StenogramError]] = []
        self.repeats: list[tuple[Request, Repeat, Version]] = []
        self.numbered: list[tuple[Execute, ProducerState]] = []
        self.later: list[Request] = []
        self.states: dict[SessionId, State] = {}
        """Sessions as this plan leaves them, if it changes them."""
        self._known = known
        self._records = self.batch.records
        self._heads = self.batch.heads
        self._keys: set[Key] = set()
        self._appended: set[SessionId] = set()  # sessions with drafts, whose state is not known
        self._rewritten: set[SessionId] = set()  # sessions with drafts before their head
        self._postponed: set[SessionId] = set()  # sessions of `later`
        self.followed = 0
        """Facts that followed from the commands' own."""
        self.held = 0.0
        """Seconds that were measured of deciding."""
        self._fact_bytes = 0  # of commands that say more than came in with them

    @property
    def end(self) -> Position:
        """Where the log stands when this is written."""
        return Position(self.batch.after + len(self._records))

    def is_full(self) -> bool:
        """Whether so much has come of so few commands that nothing more should be planned at once."""
        return self.followed >= MOST_AT_ONCE or self._fact_bytes >= MAX_FACT_BYTES or self.held >= MAX_HELD_S

    def add(self, request: Request, state: State | None) -> None:
        """Decide one request, or postpone it; `state` is its session before this plan, unless it is a `Write`. Never
        raises for what is wrong with the request."""
        self.requests.append(request)
        if self.must_precede(request):
            # Decided now, a repeat would be written twice in one batch, which the storage refuses as a whole.
            self._postpone(request)
            return
        try:
            if isinstance(request, Write):
                self._write(request)
            elif (before := self.states.get(request.sessions[0], state)) is not None:
                if isinstance(request, Execute):
                    self._execute(request, before)
                elif isinstance(request, Review):
                    self._review(request, before)
        except Refused as refusal:
            self.refused.append((request, without_frames(refusal)))
        except LongDecision as begun:
            assert isinstance(request, Execute)
            request.cascade = Cascade(request.command, begun, request.cascade)
            self._postpone(request)
        except Exception as fault:  # a fault in one rule must not fail the whole batch
            _logger.exception("deciding a request failed")
            self.refused.append((request, StenogramError(f"Deciding this failed inside the server: {fault!r}.")))
        else:
            if request.keys:
                self._keys.update(request.keys)

    def must_precede(self, request: Request) -> bool:
        """Whether a request cannot be decided before this plan is in the log."""
        keys = request.keys
        if keys and not self._keys.isdisjoint(keys):
            return True
        if self._postponed and not self._postponed.isdisjoint(request.sessions):
            return True
        if isinstance(request, Write):
            return any(self._overlaps(append) for append in request.appends)
        return bool(self._appended) and request.sessions[0] in self._appended

    def settle(self, sessions: SessionCache, heads: HeadCache) -> None:
        """Hand over to the caches what is now in the log."""
        heads.advance(self.batch)
        for state in self.states.values():
            sessions.put(state)
        for session in self._rewritten:  # what is cached lacks the events that were put before its end
            sessions.forget(session)
        if self._appended:
            sessions.follow([record for record in self.batch.records if record.session in self._appended])

    def _postpone(self, request: Request) -> None:
        self.later.append(request)
        self._postponed.update(request.sessions)

    def _overlaps(self, append: Append) -> bool:
        """Whether this batch may have taken the append's explicit versions, or its tracking's position."""
        if append.tracking is not None and self.batch.tracking.get(append.tracking[0], -1) >= append.tracking[1]:
            return True
        head = self._heads.get((append.session, ANYTHING))
        return append.first_version is not None and head is not None and append.first_version <= head

    def _execute(self, request: Execute, before: State) -> None:
        command, producer = request.command, request.producer
        if producer is not None and self._is_repeat(before.id, producer):
            self.numbered.append((request, self._last(before.id, producer)))
            return
        if request.expect:
            self._check(before.id, request.expect, before, command.actor)
        if command.time < before.time:
            command = request.command = command._replace(time=before.time)
        cascade, refusal, after = request.cascade, None, None
        outcome = None if cascade is None else cascade.placed(before, self.end)
        if outcome is None:
            most = MOST_AT_ONCE if cascade is None else cascade.most
            decision = decide(before, command, most)
            refusal, after = decision.refusal, decision.after
            if decision.repeat is not None:
                self.repeats.append((request, decision.repeat, before.version))
                if producer is not None:
                    self._advance(before.id, producer, Position(0))
                return
            if refusal is not None and request.key is not None and not request.fresh:
                # It may repeat what was accepted before it was fenced: the log is searched before this is recorded.
                raise refusal
            key = request.keys[0][1] if request.keys and refusal is None else None
            outcome = carry_out(command, decision.facts, after, before, self.end, key)
        # From here on nothing raises: a command that failed half-way would leave records without heads in the batch.
        written, heads, state = outcome
        self._records += written
        self._heads.update(heads)
        self.states[before.id] = state
        if after is None:
            self.followed += len(written) - 1
            self._fact_bytes += sum([len(record.data) for record in written])
            self._note_life(command, before, state)
        if refusal is not None:
            self.fenced.append((request, refusal))
            return
        self._accept(request, written)
        if producer is not None:
            self._advance(before.id, producer, self.end)

    def _note_life(self, command: Command, before: State, after: State) -> None:
        """Record when things begin, or cease, to happen of themselves in a session."""
        if command.data.concept in LIVELY and is_live(before) != is_live(after):
            self.batch.live[command.session] = is_live(after)

    def _add_record(self, record: Record, also: tuple[str, ...]) -> None:
        """Put a draft's record at the batch's end and advance the heads."""
        heads, session, version = self._heads, record.session, record.version
        self._records.append(record)
        heads[session, record.subject] = version
        for subject in also:
            heads[session, subject] = version
        heads[session, ANYTHING] = version

    def _review(self, request: Review, state: State) -> None:
        self.batch.live[state.id] = is_live(state)
        self.accepted.append((request, Appended((), ())))

    def _write(self, request: Write) -> None:
        for append in request.appends:
            if append.producer is not None and self._is_repeat(append.session, append.producer):
                self.accepted.append((request, Appended((), (), repeated=True)))
                return
            self._check(append.session, append.expect)
        _refuse_twins(request)
        first = len(self._records)
        for append in request.appends:
            if append.drafts:
                self._place_all(append)
                if append.producer is not None:
                    self._advance(append.session, append.producer, self.end)
            if append.tracking is not None:
                name, position = append.tracking
                self.batch.tracking[name] = position
        self._accept(request, self._records[first:])

    def _place_all(self, append: Append) -> None:
        session = append.session
        head = self._head(session, ANYTHING)
        version = head + 1 if append.first_version is None else append.first_version
        if version <= head:
            self._rewritten.add(session)
        for draft in append.drafts:
            self._place(session, Version(version), draft, head)
            version += 1
        if any(draft.type.startswith(LIVELY_TYPES) for draft in append.drafts):
            self.batch.live[session] = True
        self._appended.add(session)
        self.states.pop(session, None)

    def _place(self, session: SessionId, version: Version, draft: Draft, head: int) -> None:
        """Give a draft its place. One that comes late, into a hole before `head`, leaves the heads as they are."""
        position = Position(self.end + 1)
        record = Record(position, session, version, draft.subject, draft.type, draft.data, draft.key, draft.time)
        if version > head:
            self._add_record(record, draft.also)
        else:
            self._records.append(record)
            self._heads[session, ANYTHING] = Version(max(head, self._heads.get((session, ANYTHING), head)))

    def _accept(self, request: Request, written: list[Record]) -> None:
        if len(written) == 1:
            (record,) = written
            result = new_unchecked(Appended, ((record.version,), (record.position,), False))
        else:
            result = Appended(tuple([each.version for each in written]), tuple([each.position for each in written]))
        self.accepted.append((request, result))

    def _advance(self, session: SessionId, producer: Producer, position: Position) -> None:
        self.batch.producers[session, producer.id] = ProducerState(producer.epoch, producer.seq, position)

    def _head(self, session: SessionId, subject: str) -> Version:
        head = self._heads.get((session, subject))
        return self._known.heads[session, subject] if head is None else head

    def _check(
        self,
        session: SessionId,
        expect: Mapping[str, Version],
        state: State | None = None,
        actor: Actor | None = None,
    ) -> None:
        for subject, version in expect.items():
            head = self._head(session, subject)
            if head and state is not None and actor is not None and is_hidden(state, subject, actor):
                head = Version(0)
            if head != version:
                if state is not None and actor is not None and may_hide(state, subject, actor):
                    raise Conflict(f"{subject} is not at version {version}.", subject=subject)
                raise Conflict(
                    f"{subject or 'The session'} stands at version {head}, not {version}; look at it and try again.",
                    subject=subject,
                    version=head,
                )

    def _last(self, session: SessionId, producer: Producer) -> ProducerState:
        return self.batch.producers.get((session, producer.id)) or self._known.producers[session, producer.id]

    def _is_repeat(self, session: SessionId, producer: Producer) -> bool:
        state = self._last(session, producer)
        if producer.epoch < state.epoch:
            raise StaleProducer(
                f"Producer {producer.id!r} wrote in epoch {state.epoch}; epoch {producer.epoch} is fenced.",
                epoch=state.epoch,
            )
        if producer.epoch > state.epoch:
            return False
        if producer.seq > state.seq + 1:
            raise Conflict(
                f"Append {producer.seq} of producer {producer.id!r} came before {state.seq + 1}; send that first.",
                expected=state.seq + 1,
            )
        return producer.seq <= state.seq


def _refuse_twins(request: Write) -> None:
    keys = request.keys
    if len(set(keys)) < len(keys):
        raise Conflict("Two of these events have the same key; give each its own.")
    if len(request.appends) > 1:
        places = [
            (append.session, append.first_version + number)
            for append in request.appends
            if append.first_version is not None
            for number in range(len(append.drafts))
        ]
        if len(set(places)) < len(places):
            raise Conflict("Two of these events have the same version; give each its own.")


def needs(requests: Iterable[Request]) -> tuple[list[tuple[SessionId, str]], list[tuple[SessionId, str]]]:
    """The heads and producers that these requests are planned on."""
    heads, producers = [], []
    for request in requests:
        if isinstance(request, Execute):
            if request.expect:
                heads += [(request.command.session, subject) for subject in request.expect]
            if request.producer is not None:
                producers.append((request.command.session, request.producer.id))
        elif isinstance(request, Write):
            for append in request.appends:
                heads += [(append.session, subject) for subject in append.expect]
                if append.drafts:
                    heads.append((append.session, ANYTHING))
                if append.producer is not None:
                    producers.append((append.session, append.producer.id))
    return heads, producers
