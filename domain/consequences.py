"""What follows from what happened, in the same commit, no matter who did it.

Concepts do not know each other. Where one fact ends what belongs to another concept (a lost agent's tasks, the messages
open under a task that was taken away), the rule stands here: a function from the state before, and the fact, to further
facts. These may have consequences of their own. Nothing is ended twice: what has been ended by one fact of a decision,
another leaves alone.

Who caused a consequence is its actor, and sees no more of it for that: no consequence is of a type that counts as
said by its actor (`audience.SAID`), so its audience alone decides, and must name those who are to hear of it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson
from pydantic import JsonValue

from .audience import SAID
from .concepts.lifecycle import SessionClosed, SessionForked
from .concepts.messages import MessageAborted, MessageCompleted
from .concepts.presence import PresenceJoined, PresenceLeft, PresenceLost, PresenceRecovered, PresenceStatus
from .concepts.signals import (
    SESSION,
    STOPS,
    Signal,
    SignalAddressed,
    SignalExpired,
    SignalHonoured,
    SignalKind,
    SignalRaised,
)
from .concepts.stalls import EVIDENCE, recovered
from .concepts.streams import closing
from .concepts.tasks import (
    DEAD,
    MAX_STEERED_BYTES,
    OnNeedFailed,
    Task,
    TaskBlocked,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskReleased,
    TaskSteered,
    given_back,
)
from .ids import ParticipantId, TaskId
from .model import Actor, Decision, EventData, Fact
from .signal_targets import cancelled, left_open, rerouted, run_of, steered, under_way
from .state import State


class LongDecision(Exception):
    """A command takes longer to decide than was asked for. It can go on, a little at a time."""

    def __init__(self, before: State) -> None:
        super().__init__("This takes longer to decide than was asked for.")
        self.before = before

    def go_on(self, most: int) -> Decision | None:
        """Do some more, `most` facts of it; the decision, once there is nothing left to do. Raises as `decide` does."""
        raise NotImplementedError


class LongCascade(LongDecision):
    """More follows from a command than was asked for at once."""

    def __init__(
        self,
        before: State,
        found: list[Fact],
        further: Iterator[Fact],
        decision: Callable[[tuple[Fact, ...]], Decision],
    ) -> None:
        super().__init__(before)
        self._found = found
        self._further = further
        self._decision = decision

    def go_on(self, most: int) -> Decision | None:
        """Find so many facts more; the decision, once there are none."""
        more = list(islice(self._further, most))
        self._found += more
        return self._decision(tuple(self._found)) if len(more) < most else None


def consequences(state: State, actor: Actor, facts: Sequence[Fact]) -> Iterator[Fact]:
    """All that follows from the facts."""
    ended = {ending for fact in facts for ending in _endings(fact)}
    return _following(state, actor.id, facts, ended)


def settled(facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
    """All facts of a decision, but for a task that is blocked only until a later one ends it."""
    if not any(isinstance(fact.data, TaskBlocked) for fact in facts):
        return facts
    ended = {ending for fact in facts for ending in _endings(fact)}
    return tuple([fact for fact in facts if not (isinstance(fact.data, TaskBlocked) and fact.data.subject() in ended)])


def _following(state: State, actor: ParticipantId, facts: Sequence[Fact], ended: set[str]) -> Iterator[Fact]:
    """What follows from each fact, and from that, before what follows from the next. However long a chain is, it takes
    no more of the interpreter's stack."""
    under_way = [_of(state, actor, fact) for fact in reversed(facts)]
    while under_way:
        further = next(under_way[-1], None)
        if further is None:
            under_way.pop()
            continue
        assert not further.data.type.startswith(SAID), "a consequence is not said by who caused it"
        if ended.isdisjoint(endings := _endings(further)) and not _is_moot(further, ended):
            ended.update(endings)
            yield further
            under_way.append(_of(state, actor, further))


def _is_moot(fact: Fact, ended: set[str]) -> bool:
    """Whether it speaks of the stall of somebody who is gone."""
    return isinstance(fact.data, PresenceRecovered) and fact.data.subject() in ended


_NO_END = (SignalRaised, SignalAddressed, TaskCreated, TaskClaimed, TaskBlocked, TaskSteered, PresenceStatus)


def _endings(fact: Fact) -> tuple[str, ...]:
    """What the fact puts an end to, or speaks of for the last time in its decision."""
    data = fact.data
    if isinstance(data, _NO_END):
        return ()
    if isinstance(data, PresenceLost | PresenceLeft) and data.others:
        return (f"{data.subject()}/{data.run or ''}",)
    if isinstance(data, PresenceRecovered):
        return (f"stall:{data.participant}:{data.task}",)
    return (fact.subject or data.subject(),)


def _of(state: State, actor: ParticipantId, fact: Fact) -> Iterator[Fact]:
    rule = _RULES.get(type(fact.data))
    if rule is not None:
        yield from rule(state, fact.data, actor)
    yield from _goes_on(state, fact, actor)


def _goes_on(state: State, fact: Fact, actor: ParticipantId) -> Iterator[Fact]:
    """Who does something under a task is not stalled in it; who streams, or calls a tool, without naming a
    task, in none."""
    known = state.presence.get(actor)
    if known is None or not known.stalled or not known.present:
        return
    if fact.task is not None or fact.data.type.startswith(EVIDENCE):
        run = run_of(state, fact.data) if fact.task is None else None
        for task in known.stalled:
            if fact.task in (None, task) and run in (None, state.tasks.known[task].run):
                yield Fact(recovered(known, task, "It goes on."))


def _joined(state: State, data: PresenceJoined, _: ParticipantId) -> Iterator[Fact]:
    """A new run honours the stop of the one before, which is over. People are not interrupted: what was aimed at their
    id before they came waits for nobody, and holds nobody."""
    id, person, fence = data.participant, data.kind == "user", state.signals.fenced.get(data.participant)
    if person:
        yield from _moot(state, f"agent:{id}")
    else:
        yield from _told(state, id)
    if fence is not None and (person or data.new_run):
        new_run = f"A new run of {id} begins; the one that was to stop is over."
        reason = f"{id} is a person." if person else new_run
        yield Fact(SignalHonoured(signal=fence.signal, reason=reason, new_run=None if person else True))


def _told(state: State, id: ParticipantId) -> Iterator[Fact]:
    """Who joins while the session is being cancelled is to stop as well, within what is left of the grace. If
    that is less than half of it, it is told, and not held to it."""
    for signal in state.signals.open_at(SESSION):
        if signal.kind == "cancel" and id not in signal.waiting:
            yield Fact(SignalAddressed(signal=signal.id, addressees=(id,)))


def _said(state: State, data: PresenceStatus, _: ParticipantId) -> Iterator[Fact]:
    known = state.presence[data.participant]
    for task in known.stalled:
        if data.run in (None, state.tasks.known[task].run):
            yield Fact(recovered(known, task, "It said what it does."))


def _gone(state: State, data: PresenceLost | PresenceLeft, _: ParticipantId) -> Iterator[Fact]:
    lost = isinstance(data, PresenceLost)
    who = f"A run of {data.participant}" if data.others else data.participant
    reason = f"{who} {'was lost' if lost else 'has left'}."

    def is_gone(run: str | None) -> bool:
        return not data.others or run == data.run

    for task in state.tasks.held_by(data.participant):
        if is_gone(task.run):
            yield Fact(given_back(task, "lost" if lost else "left", reason))
    yield from left_open(state, data.participant, reason, is_gone)


def _forked(state: State, data: SessionForked, _: ParticipantId) -> Iterator[Fact]:
    """Nobody is present in a fork yet, and nothing is under way."""
    reason = f"The session was forked from {data.origin}."
    for participant in state.presence.in_order():
        yield Fact(PresenceLeft(participant=participant.id, reason=reason))
    for task in state.tasks.being_done():
        yield Fact(TaskReleased(task=task.id, attempt=task.attempt, why="left", assignee=task.assignee, reason=reason))
    yield from left_open(state, None, reason)
    for signal in state.signals.in_order():
        yield Fact(SignalExpired(signal=signal.id))
    # The version may be in the midst of a commit: what had yet to follow there follows here.
    for task in state.tasks.unfinished():
        dead = [need for need in task.needs if state.tasks.known[need].status in DEAD]
        if dead and task.blocked_by is None:
            yield _unmet(task.id, dead[0], state.tasks.known[dead[0]].status, task.policy.on_need_failed)


def _closed(state: State, data: SessionClosed, _: ParticipantId) -> Iterator[Fact]:
    """A closed session is empty: what was to be done is cancelled, since nobody could claim it; what was being said,
    called or asked ends; signals have nothing left to stop; nobody is present."""
    reason = "The session was closed."
    # Tasks first: those who leave would only put them back on the board. Parts before what they are a part of, so that
    # each says why it ended.
    for task in reversed(state.tasks.unfinished()):
        attempt = task.attempt if task.owner else None
        yield Fact(TaskCancelled(task=task.id, attempt=attempt, reason=reason))
    yield from left_open(state, None, reason)
    for signal in state.signals.in_order():
        yield Fact(SignalExpired(signal=signal.id))
    for participant in state.presence.in_order():
        yield Fact(PresenceLeft(participant=participant.id, reason=reason))
    stream = closing(state.streams)
    if stream is not None:
        yield stream


def _created(state: State, data: TaskCreated, _: ParticipantId) -> Iterator[Fact]:
    """What needs something that has failed already will not come up."""
    for need in data.needs:
        if state.tasks.known[need].status in DEAD:
            yield _unmet(data.task, need, state.tasks.known[need].status, data.on_need_failed)
            return


def _unmet(task: TaskId, need: TaskId, status: str, on_need_failed: OnNeedFailed) -> Fact:
    """A task needs one that will not be completed. What became of that one is for those to read who may see it."""
    if on_need_failed == "block":
        return Fact(TaskBlocked(task=task, need=need))
    return Fact(TaskFailed(task=task, error=f"It needs task {need}, which is {status}.", why="need"))


def _in_vain(state: State, need: TaskId, status: str) -> Iterator[Fact]:
    for task in state.tasks.unfinished_dependants(need):
        yield _unmet(task.id, need, status, task.policy.on_need_failed)


def _claimed(state: State, data: TaskClaimed, actor: ParticipantId) -> Iterator[Fact]:
    """Who takes a task over answers its signals."""
    for signal in state.signals.open_at(f"task:{data.task}"):
        yield Fact(SignalAddressed(signal=signal.id, addressees=(actor,)))


def _over(state: State, data: TaskReleased | TaskFailed, _: ParticipantId) -> Iterator[Fact]:
    """An attempt is over; what was open under it ends, and its holder is not stalled any more."""
    if data.attempt is not None:
        yield from _attempt_over(state, data.task, f"Attempt {data.attempt} of task {data.task} is over.")
    if isinstance(data, TaskFailed) and not data.retryable:
        yield from _moot(state, f"task:{data.task}")
        yield from _in_vain(state, data.task, "failed")


def _finished(state: State, data: TaskCompleted | TaskCancelled, _: ParticipantId) -> Iterator[Fact]:
    """A task is over for good, and so are signals to it, and the parts of one that was cancelled."""
    status = "cancelled" if isinstance(data, TaskCancelled) else "completed"
    yield from _attempt_over(state, data.task, f"Task {data.task} is {status}.")
    yield from _moot(state, f"task:{data.task}")
    if isinstance(data, TaskCancelled):
        reason = f"It was a part of task {data.task}."
        for task in state.tasks.unfinished_parts(data.task):
            attempt = task.attempt if task.owner else None
            yield Fact(TaskCancelled(task=task.id, attempt=attempt, reason=reason))
        yield from _in_vain(state, data.task, "cancelled")


def _attempt_over(state: State, task: str, reason: str) -> Iterator[Fact]:
    yield from under_way(state, task, reason)
    holder = state.presence.get(state.tasks.known[task].owner or "")
    if holder is not None and holder.present and task in holder.stalled:
        yield Fact(recovered(holder, task, reason))


def _moot(state: State, target: str) -> Iterator[Fact]:
    """Nobody needs to answer signals to what has ended."""
    for signal in state.signals.open_at(target):
        yield Fact(SignalExpired(signal=signal.id))


def _message_over(state: State, data: MessageCompleted | MessageAborted, _: ParticipantId) -> Iterator[Fact]:
    return _moot(state, f"message:{data.message}")


def _raised(state: State, data: SignalRaised, actor: ParticipantId) -> Iterator[Fact]:
    if data.kind == "cancel" and data.target == SESSION:
        for task in state.tasks.on_board():
            yield Fact(TaskCancelled(task=task.id, reason=f"{actor} cancelled all work in the session."))
    if data.kind in STOPS and (data.grace == 0 or not data.addressees):
        reason = f"{actor} raised {data.kind} {data.signal}."
        yield from _stopped(state, data.kind, data.target, data.addressees, reason, to=data.to, input=data.body)
        yield Fact(SignalExpired(signal=data.signal, waiting=data.addressees))


def _honoured(state: State, data: SignalHonoured, actor: ParticipantId) -> Iterator[Fact]:
    signal = state.signals.known[data.signal]
    if signal.status == "open":
        reason = f"{actor} honoured {signal.kind} {signal.id}."
        yield from _stopped(state, signal.kind, signal.target, (actor,), reason, to=signal.to, input=signal.body)
        if signal.kind == "steer":
            yield from _steered(state, signal, actor)


def _steered(state: State, signal: Signal, actor: ParticipantId) -> Iterator[Fact]:
    """An instruction that was honoured is for later attempts, too, of each task that it was about."""
    tasks = [task for task in steered(state, signal.target, actor) if _is_for_all_of(task, signal)]
    if len(tasks) > 1:  # all of it is one commit
        tasks = tasks[: MAX_STEERED_BYTES // len(orjson.dumps(signal.body))]
    for task in tasks:
        yield Fact(TaskSteered(task=task.id, signal=signal.id, instruction=signal.body))


def _is_for_all_of(task: Task, signal: Signal) -> bool:
    """Whether all who may see the task may see the signal; not those that an agent without the floor raised."""
    return signal.audience is None or (task.audience is not None and {*task.audience} <= {*signal.audience})


def _expired(state: State, data: SignalExpired, _: ParticipantId) -> Iterator[Fact]:
    signal = state.signals.known.get(data.signal)
    if signal is not None and data.waiting:
        reason = f"The grace of {signal.kind} {signal.id} ran out."
        yield from _stopped(state, signal.kind, signal.target, data.waiting, reason, to=signal.to, input=signal.body)


def _stopped(
    state: State,
    kind: SignalKind,
    target: str,
    who: tuple[ParticipantId, ...],
    reason: str,
    *,
    to: ParticipantId | None,
    input: JsonValue,
) -> Iterator[Fact]:
    """What becomes of the target's work."""
    if kind == "cancel":
        yield from cancelled(state, target, who, reason)
    elif kind == "reroute":
        yield from rerouted(state, target, to, input, reason)


_RULES: dict[type[EventData], Callable[[State, Any, ParticipantId], Iterator[Fact]]] = {
    SessionForked: _forked,
    SessionClosed: _closed,
    PresenceJoined: _joined,
    PresenceLost: _gone,
    PresenceLeft: _gone,
    PresenceStatus: _said,
    TaskCreated: _created,
    TaskClaimed: _claimed,
    TaskCompleted: _finished,
    TaskCancelled: _finished,
    TaskFailed: _over,
    TaskReleased: _over,
    MessageCompleted: _message_over,
    MessageAborted: _message_over,
    SignalRaised: _raised,
    SignalHonoured: _honoured,
    SignalExpired: _expired,
}
