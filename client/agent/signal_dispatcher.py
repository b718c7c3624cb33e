"""How an agent gets signals: each one that concerns it is acknowledged as delivered, dispatched to the work that it is
aimed at, and answered.

| kind | what happens | honoured |
|---|---|---|
| cancel, reroute | the blocks of the work are cancelled | when the last of them has ended |
| steer | it is queued for the work, see `Steering`; withdrawn, it is taken out | when the work reads it |
| pause | what the work writes waits | when something waits, or at once if nothing is being done |
| resume | what waits goes on | at once |

Signals are events, so one that was raised before the agent came is dispatched when it comes. All of this runs between
two events of the session and never waits: it sees every state of the session once, in order.
"""

from collections.abc import Iterable
from typing import Protocol

from ...domain.concepts.signals import SESSION, Signal, Signals
from ...domain.concepts.tasks import Tasks
from ...domain.state import State
from ..session_port import SessionPort
from ..transport.command_queue import Answer, unawaited
from .status_stack import StatusStack
from .steering import Steering


class Work(Protocol):
    """A block that can be interrupted: a task, or a message."""

    target: str
    """What a signal to it is aimed at."""
    targets: frozenset[str]
    """That, and all that it is a part of."""

    @property
    def steer(self) -> Steering | None:
        """Where new instructions are queued; None where nobody reads them."""

    def stop(self, signal: Signal) -> None:
        """End the block; the signal is honoured when it has ended."""

    def check(self, tasks: Tasks) -> None:
        """Tasks have changed: is this one still held?"""


class SignalDispatcher:
    """`me` is the agent. `steer` has the instructions to the agent as a whole and to the session; `targets` are these
    two."""

    def __init__(self, session: SessionPort, me: str, statuses: StatusStack) -> None:
        self.me = me
        self.steer = Steering(self.honour)
        self.targets = frozenset((SESSION, f"agent:{me}"))
        self._session = session
        self._statuses = statuses
        self._works: list[Work] = []
        self._stopping: dict[str, list[Work]] = {}
        """The works that must have ended before a signal is honoured."""
        self._acknowledged: set[str] = set()
        self._dispatched: set[str] = set()
        self._lifted: set[str] = set()
        self._pauses: dict[str, Signal] = {}
        self._previous = State(session.id)

    def start(self) -> None:
        """Dispatch the open signals, and from now on all that come."""
        self._session.live.listen(self._on_change)
        self._on_change()

    def stop(self) -> None:
        """Dispatch nothing more."""
        self._session.live.ignore(self._on_change)
        self.steer.end()

    @property
    def current_targets(self) -> frozenset[str]:
        """The agent's targets, and the task under which the running code works."""
        task = self._session.current_task
        return self.targets if task is None else self.targets | {task.target}

    def attach(self, work: Work) -> None:
        """Work begins: dispatch to it, also what was said before it began."""
        state = self._session.live.state
        for signal in state.signals.in_order():
            if signal.kind == "steer" and signal.id in self._dispatched and signal.target in self.targets:
                self._steer(signal, [work])
        # Behind the loop and before `_dispatch_all`: otherwise it would get an instruction twice, or a cancel never.
        self._works.append(work)
        work.check(state.tasks)
        self._dispatch_all(state.signals)

    def detach(self, work: Work) -> list[Answer]:
        """Work has ended: honour what has waited for that. Idempotent."""
        self._works = [each for each in self._works if each is not work]
        ended = []
        for id, works in list(self._stopping.items()):
            self._stopping[id] = [each for each in works if each is not work]
            if not self._stopping[id]:
                del self._stopping[id]
                ended.append(self.honour(id))
        return ended

    def paused(self, targets: frozenset[str]) -> bool:
        """Whether any of the targets is paused."""
        return bool(self._pauses_of(targets))

    def honour(self, signal: str) -> Answer:
        """Say that what was wanted is done. That it is late, or too late, is no error."""
        return self._answer("signal.honour", signal)

    async def checkpoint(self, targets: frozenset[str]) -> None:
        """Wait while any of the targets is paused; honour the pauses that hold."""
        while pauses := self._pauses_of(targets):  # again: between the wake-up and this line another may have come
            self._honour_waiting(pauses)
            by = ", ".join(dict.fromkeys(each.raiser for each in pauses))
            with self._statuses.during("waiting-for-human", f"Paused by {by}."):
                await self._session.live.until(lambda: not self._pauses_of(targets))

    def _on_change(self) -> None:
        """Something has changed in the session."""
        state, before = self._session.live.state, self._previous
        self._previous = state
        # Tasks before signals: a task that was cancelled outright is gone, and its signal has nothing left to stop.
        if state.tasks is not before.tasks:
            for work in list(self._works):
                work.check(state.tasks)
        if state.signals is not before.signals:
            known = state.signals.known
            self._pauses = {target: known[id] for target, id in state.signals.paused.items()}
            self._dispatch_all(state.signals)
        self._report_after_loss(before, state)

    def _report_after_loss(self, before: State, now: State) -> None:
        """An agent that was lost and is back says again what it does: joining has made it idle."""
        was, here, run = before.presence.get(self.me), now.presence.get(self.me), self._session.run
        if was is not None and was.instance(run) is None and here is not None and here.instance(run) is not None:
            self._statuses.report()

    def _dispatch_all(self, signals: Signals) -> None:
        """Acknowledge and dispatch what has not been, among the open signals."""
        for id in self._dispatched.difference(signals.open):
            if signals.known[id].status == "withdrawn":
                self._drop(id)
        self._acknowledged.intersection_update(signals.open)
        self._dispatched.intersection_update(signals.open)
        self._lifted.intersection_update(signals.open)
        in_force = {pause.id for pause in self._pauses.values()}
        for signal in signals.in_order():
            if self.me not in signal.waiting:
                # Forgotten, not skipped: a signal may come to concern the agent again, when it claims the task again.
                self._acknowledged.discard(signal.id)
                self._dispatched.discard(signal.id)
                continue
            if signal.kind == "pause" and signal.id not in in_force:
                self._honour_lifted(signal)
            if not signal.waiting[self.me] and signal.id not in self._acknowledged:
                self._acknowledged.add(signal.id)
                self._answer("signal.deliver", signal.id)
            if signal.id not in self._dispatched and self._dispatch(signal):
                self._dispatched.add(signal.id)

    def _honour_lifted(self, pause: Signal) -> None:
        """A pause that was lifted before anything had to wait is answered all the same, so that it can be raised
        again."""
        if pause.id not in self._lifted:
            self._lifted.add(pause.id)
            self.honour(pause.id)

    def _dispatch(self, signal: Signal) -> bool:
        """Bring a signal to the work that it is aimed at; false while that has not begun here."""
        works = self._works if signal.target in self.targets else self._works_at(signal.target)
        if signal.target not in self.targets and not works:
            return False
        if signal.kind in ("cancel", "reroute"):
            self._stop(signal, list(works))
        elif signal.kind == "steer":
            self._steer(signal, works)
            if signal.target in self.targets:
                self.steer.put(signal)
        elif signal.kind == "resume" or not works:
            self.honour(signal.id)
        return True

    def _answer(self, do: str, signal: str) -> Answer:
        cause = self._session.live.began(f"signal:{signal}")
        return unawaited(self._session.commands.submit(self._session.id, do, {"signal": signal}, cause=cause))

    def _works_at(self, target: str) -> list[Work]:
        return [work for work in self._works if work.target == target]

    def _stop(self, signal: Signal, works: list[Work]) -> None:
        if not works:
            self.honour(signal.id)
            return
        # Before the works are stopped: one that ends at once is detached, and must find the signal that it ends for.
        self._stopping[signal.id] = works
        for work in works:
            work.stop(signal)

    def _steer(self, signal: Signal, works: Iterable[Work]) -> None:
        for work in works:
            if work.steer is not None:
                work.steer.put(signal)

    def _drop(self, signal: str) -> None:
        """An instruction was withdrawn: what was not read is not read any more."""
        for steer in [self.steer, *(work.steer for work in self._works)]:
            if steer is not None:
                steer.drop(signal)

    def _pauses_of(self, targets: frozenset[str]) -> list[Signal]:
        return [self._pauses[target] for target in targets if target in self._pauses]

    def _honour_waiting(self, pauses: Iterable[Signal]) -> None:
        signals = self._session.live.state.signals
        for pause in pauses:
            if self.me in signals.known[pause.id].waiting:
                self.honour(pause.id)
