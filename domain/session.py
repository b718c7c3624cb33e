"""The session as a whole: the two functions that everything rests on.

    decide(state, command) -> Decision        evolve(state, event) -> State

Both are pure. The state is persistent: evolving makes a new one that shares all that did not change, so that any
earlier state stays valid and costs nothing to keep. Each concept (sessions, presence, messages, tools, the shared
document, tasks, signals, approvals, the floor, custom events, streams and their subscriptions) is a module with a
state, a `decide` and an `evolve` of its own; this one only puts them together: a command passes the fences, its concept
decides it, and what follows from the facts for other concepts is added (`consequences`).
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cache, partial
from itertools import islice
from types import ModuleType
from typing import Any

from .concepts import approvals as _approvals
from .concepts import custom as _custom
from .concepts import document as _document
from .concepts import floor as _floor
from .concepts import lifecycle
from .concepts import messages as _messages
from .concepts import presence as _presence
from .concepts import signals as _signals
from .concepts import stalls as _stalls
from .concepts import stream_subscriptions as _stream_subscriptions
from .concepts import streams as _streams
from .concepts import tasks as _tasks
from .concepts import tools as _tools
from .concepts.presence import PresenceRecovered
from .concepts.signals import RaiseSignal
from .concepts.stream_subscriptions import SubscriptionCommand
from .consequences import LongCascade, LongDecision, consequences, settled
from .errors import Conflict, Invalid, NotFound, SessionClosed
from .ids import SessionId, Version
from .model import TIMEKEEPER, Command, CommandData, Deadline, Decision, Event, Fact
from .refusals.mistaken_names import addressed
from .refusals.pauses import refuse_paused
from .refusals.stopped_agents import refuse_fenced
from .restriction import inherited, stated
from .signal_targets import addressees, run_of
from .state import State
from .unchecked import new_unchecked

CONCEPTS: dict[str, ModuleType] = {
    "session": lifecycle,
    "presence": _presence,
    "messages": _messages,
    "tools": _tools,
    "document": _document,
    "tasks": _tasks,
    "signals": _signals,
    "approvals": _approvals,
    "floor": _floor,
    "custom": _custom,
    "streams": _streams,
    "stream_subscriptions": _stream_subscriptions,
}
_CONCEPT_OF_TYPE = {
    "session": "session",
    "presence": "presence",
    "message": "messages",
    "tool": "tools",
    "state": "document",
    "task": "tasks",
    "signal": "signals",
    "approval": "approvals",
    "floor": "floor",
    "stream": "streams",
    "stream_subscription": "stream_subscriptions",
}

_PLACES = {concept: State._fields.index(concept) for concept in CONCEPTS}
"""By concept: where it stands in a State."""

_FOLDS: dict[str, tuple[int, Callable[[Any, Event], Any]]] = {
    family: (_PLACES[concept], CONCEPTS[concept].evolve) for family, concept in _CONCEPT_OF_TYPE.items()
}
"""By the first word of an event's type: where in a State its concept stands, and how that is folded."""
CREATING = ("session.open", "session.fork", "stream.create", "stream.fork")
LIVELY = frozenset({"session", "presence", "tasks", "stalls", "signals", "approvals"})
"""Concepts whose commands may change what happens of itself in a session."""
LIVELY_TYPES = (
    *("session.", "presence.", "task.", "signal.", "approval."),
    *("tool.called", "tool.returned", "tool.abandoned"),
)
"""What the types of events of these concepts begin with; and those that begin and end the call of a tool: while it goes
on, nobody stalls."""


def _decide_signal(state: State, command: Command) -> Decision:
    data = command.data
    return _signals.decide(
        state.signals, command, addressees(state, command.actor, data) if isinstance(data, RaiseSignal) else ()
    )


def _decide_stall(state: State, command: Command) -> Decision:
    return _stalls.decide(state.presence, state.tasks, state.tools, command)


def _decide_stream(state: State, command: Command) -> Decision:
    return _streams.decide(state.streams, command, state.session.status, state.version)


_WIDE = {"signals": _decide_signal, "stalls": _decide_stall, "streams": _decide_stream}
"""What decides by more than one concept's state."""


@cache
def _decider(command: type[CommandData]) -> tuple[int | None, Callable[[Any, Command], Decision], bool]:
    """What decides commands of a type, by which part of a State (None: by all of it), and whether they are plain."""
    concept = command.concept
    if concept in _WIDE:
        return None, _WIDE[concept], command.plain
    return _PLACES[concept], CONCEPTS[concept].decide, command.plain


def decide(state: State, command: Command, most: int | None = None) -> Decision:
    """Decide one command. Raises the `Refused` tree; then nothing happened. Raises LongDecision, which can go on, when
    more than `most` facts follow from it, or when it takes long for another reason."""
    command = addressed(state, command)
    data, task = command.data, command.task
    status = state.session.status
    if isinstance(data, SubscriptionCommand):  # whatever became of the session: nobody else has a say in it
        return _stream_subscriptions.decide(state.stream_subscriptions, command, status)
    if state.stream_subscriptions.last is not None and command.actor != TIMEKEEPER:
        raise Conflict(f"{command.session!r} is a subscription's session; it is changed by requests to that alone.")
    if status != "open" and (not data.revives or (status == "none" and data.do not in CREATING)):
        raise _not_open(state, command)
    if state.signals.fenced or state.signals.replaced:
        refuse_fenced(state, command)
    if state.signals.paused:
        refuse_paused(state, command)
    if task is not None:
        stale = _under(state, command)
        if stale is not None:
            return _recorded(state, stale)
    if most is not None and _document.is_long(data):
        raise LongChange(state, command)
    place, decide_concept, plain = _decider(type(data))
    decision = decide_concept(state if place is None else state[place], command)
    facts = decision.facts
    if not facts:
        return decision
    # What the holder of a task streams is evidence: it may have consequences.
    if plain and task is None and facts[0].task is None and command.actor.id not in state.tasks.held:
        return decision
    if decision.refusal is not None:
        return _recorded(state, decision)
    return _completed(state, command, decision, most)


class LongChange(LongDecision):
    """A change of the shared state that takes long."""

    def __init__(self, before: State, command: Command) -> None:
        super().__init__(before)
        assert isinstance(command.data, _document.PatchState)
        self._command = command
        self._patch = _document.LongPatch(before.document, command.actor, command.data)

    def go_on(self, most: int) -> Decision | None:
        """Do some of it; the decision, once all is done."""
        return None if self._patch.go_on() else decide(self.before, self._command)


def _under(state: State, command: Command) -> Decision | None:
    """The refusal of a command that names a task which its actor does not hold, or another than its message's."""
    if command.task is None or command.attempt is None:
        raise Invalid("A command under a task names both the task and its attempt.")
    stale = _tasks.fence(state.tasks, command, command.task, command.attempt)
    message = state.messages.known.get(getattr(command.data, "message", None) or "")
    own = message is not None and message.author == command.actor.id  # of others' this would tell the task
    if stale is None and own and message is not None and message.task not in (None, command.task):
        raise Conflict(f"Message {message.id!r} was begun under task {message.task!r}, not {command.task!r}.")
    return stale


def _completed(state: State, command: Command, decision: Decision, most: int | None) -> Decision:
    """The decision with its facts under the command's task and within the floor, and with what follows from them."""
    facts = decision.facts
    if command.task is not None:
        facts = tuple([fact if fact.task else fact._replace(task=command.task) for fact in facts])
    facts = stated(state, command, facts)
    decision = decision._replace(facts=facts)
    further = map(partial(inherited, state, facts), consequences(state, command.actor, facts))
    found = [*facts, *islice(further, most)]
    if most is not None and len(found) == len(facts) + most:
        raise LongCascade(state, found, further, partial(_with_all, command, decision))
    return _with_all(command, decision, tuple(found))


def _with_all(command: Command, decision: Decision, facts: tuple[Fact, ...]) -> Decision:
    facts = settled(facts)
    under = () if command.task is None else (f"task:{command.task}",)
    further = [fact.data.subject() for fact in facts[len(decision.facts) :]]
    return decision._replace(facts=facts, after=None, reads=tuple(dict.fromkeys((*decision.reads, *under, *further))))


def _recorded(state: State, decision: Decision) -> Decision:
    """A refusal that is on record for those who may see what it is about."""
    return decision._replace(facts=tuple([inherited(state, (), fact) for fact in decision.facts]))


def _not_open(state: State, command: Command) -> NotFound | SessionClosed:
    if state.session.status == "none":
        return NotFound(f"There is no session {command.session!r}; send session.open first.")
    return SessionClosed(f"Session {command.session!r} is closed; send session.reopen first.")


def evolve(state: State, event: Event) -> State:
    """Fold one event. Never fails on what `decide` decided; unknown types only advance the version."""
    found = _FOLDS.get(event.type.partition(".")[0])
    time = max(event.time, state.time)  # others than our gateways may have written an earlier one
    if found is None:  # an application's own, or of a version to come
        return _with(state, event.version, time, _PLACES["custom"], _custom.evolve(state.custom, event))
    place, evolve_concept = found
    evolved = _with(state, event.version, time, place, evolve_concept(state[place], event))
    if event.task is not None:
        return evolved._replace(tasks=_stalls.touched(evolved.tasks, event))
    if event.actor in evolved.tasks.held and event.type.startswith(_stalls.EVIDENCE):
        return evolved._replace(tasks=_stalls.touched_all(evolved.tasks, event, run_of(evolved, event.data)))
    if isinstance(event.data, PresenceRecovered):
        return evolved._replace(tasks=_stalls.clock_restarted(evolved.tasks, event, event.data.task))
    return evolved


def evolve_by(state: State, command: Command, facts: int, after: Any) -> State:
    """Fold all facts, so many, of a decision that knows what is `after` them; its time is not before the state's."""
    return _with(state, Version(state.version + facts), command.time, _PLACES[command.data.concept], after)


def _with(state: State, version: Version, time: datetime, place: int, concept: Any) -> State:
    members: list[Any] = list(state)  # and not _replace, which takes four times as long
    members[1] = version
    members[2] = time
    members[place] = concept
    return new_unchecked(State, members)


def fold(state: State, events: Iterable[Event]) -> State:
    """Fold events in order."""
    for event in events:
        state = evolve(state, event)
    return state


def deadlines(state: State) -> list[Deadline]:
    """What happens of itself in a session if nothing else does; nothing does in one that is closed."""
    if state.session.status != "open":
        return []
    return list(_deadlines(state))


def is_live(state: State) -> bool:
    """Whether anything happens of itself in a session."""
    return state.session.status == "open" and any(True for _ in _deadlines(state))


def _deadlines(state: State) -> Iterator[Deadline]:
    yield from _presence.deadlines(state.presence)
    yield from _tasks.deadlines(state.tasks)
    yield from _stalls.deadlines(state.presence, state.tasks, state.tools)
    yield from _signals.deadlines(state.signals)
    yield from _approvals.deadlines(state.approvals)


def as_origin(state: State, fork: SessionId) -> State:
    """The session as it is, as the one that is about to be forked from it knows it."""
    return state._replace(id=fork, session=lifecycle.as_origin(state.session, state.id, state.version))
