"""How an agent hears signals: each one that concerns it is delivered, brought to the work that it is aimed at, and
answered.

| kind | what happens | honoured |
|---|---|---|
| cancel, reroute | the blocks of the work are cancelled | when the last of them has ended |
| steer | it is put before the work, see `Steering` | when it is taken |
| pause | what the work writes waits | when something waits, or at once if nothing is being done |
| resume | what waits goes on | at once |

Signals are events, so one that was raised before the agent came is heard when it comes. Everything here happens between
two events of the session, without waiting for anything.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from ...domain.concepts.signals import SESSION, Signal, Signals
from ...domain.concepts.tasks import Tasks
from ...domain.state import State
from ..transport.command_queue import Answer, forgotten
from .status_stack import StatusStack
from .steering import Steering

if TYPE_CHECKING:
    from ..session import Session


class Work(Protocol):
    """A block that can be interrupted: a task, or a message."""

    target: str
    """What a signal to it is aimed at."""
    targets: frozenset[str]
    """That, and all that it is a part of."""

    @property
    def steer(self) -> Steering | None:
        """Who takes new instructions; None where there is nobody to do so."""

    def stop(self, signal: Signal) -> None:
        """End the block; the signal is honoured when it has ended."""

    def check(self, tasks: Tasks) -> None:
        """Tasks have changed: is this one still held?"""


class SignalDispatcher:
    """`me` is the agent. `steer` has the instructions to the agent as a whole and to the session."""

    def __init__(self, session: "Session", me: str, standing: StatusStack) -> None:
        self.me = me
        self.steer = Steering(self.honour)
        self.targets = frozenset((SESSION, f"agent:{me}"))
        self._session = session
        self._standing = standing
        self._works: list[Work] = []
        self._stopping: dict[str, list[Work]] = {}
        self._delivered: set[str] = set()
        self._brought: set[str] = set()
        self._lifted: set[str] = set()
        self._pauses: dict[str, Signal] = {}
        self._seen = State(session.id)

    def begin(self) -> None:
        """Hear what there is, and from now on everything that comes."""
        self._session.live.listen(self._look)
        self._look()

    def end(self) -> None:
        """Hear nothing more."""
        self._session.live.ignore(self._look)
        self.steer.end()

    def attend(self, work: Work) -> None:
        """Work begins: hear for it, and hear what was said before it began."""
        state = self._session.live.state
        for signal in self._open(state.signals):
            if signal.kind == "steer" and signal.id in self._brought and signal.target in self.targets:
                self._steer(signal, [work])
        self._works.append(work)
        work.check(state.tasks)
        self._hear(state.signals)

    def dismiss(self, work: Work) -> list[Answer]:
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
        return bool(self._holding(targets))

    def honour(self, signal: str) -> Answer:
        """Say that what was wanted is done. That it is late, or too late, is no error."""
        return self._answer("signal.honour", signal)

    async def checkpoint(self, targets: frozenset[str]) -> None:
        """Wait while any of the targets is paused; honour the pauses that hold."""
        while pauses := self._holding(targets):
            self._honour_waiting(pauses)
            by = ", ".join(dict.fromkeys(each.raiser for each in pauses))
            with self._standing.during("waiting-for-human", f"Paused by {by}."):
                await self._session.live.until(lambda: not self._holding(targets))

    def _look(self) -> None:
        """Something has changed in the session."""
        state, before = self._session.live.state, self._seen
        self._seen = state
        if state.tasks is not before.tasks:
            for work in list(self._works):
                work.check(state.tasks)
        if state.signals is not before.signals:
            known = state.signals.known
            self._pauses = {target: known[id] for target, id in state.signals.paused.items()}
            self._hear(state.signals)
        self._come_back(before, state)

    def _come_back(self, before: State, now: State) -> None:
        """Whoever was lost and is back says again what it does."""
        was, here = before.presence.get(self.me), now.presence.get(self.me)
        if was is not None and not was.present and here is not None and here.present:
            self._standing.report()

    def _hear(self, signals: Signals) -> None:
        self._delivered.intersection_update(signals.open)
        self._brought.intersection_update(signals.open)
        self._lifted.intersection_update(signals.open)
        in_force = {pause.id for pause in self._pauses.values()}
        for signal in self._open(signals):
            if self.me not in signal.waiting:
                self._delivered.discard(signal.id)
                self._brought.discard(signal.id)
                continue
            if signal.kind == "pause" and signal.id not in in_force:
                self._lift(signal)
            if not signal.waiting[self.me] and signal.id not in self._delivered:
                self._delivered.add(signal.id)
                self._answer("signal.deliver", signal.id)
            if signal.id not in self._brought and self._bring(signal):
                self._brought.add(signal.id)

    def _open(self, signals: Signals) -> list[Signal]:
        """The signals that somebody has yet to answer, the oldest first."""
        return sorted(map(signals.known.__getitem__, signals.open), key=lambda each: each.since)

    def _lift(self, pause: Signal) -> None:
        """A pause that was lifted before anything had to wait is answered all the same, so that it can be raised
        again."""
        if pause.id not in self._lifted:
            self._lifted.add(pause.id)
            self.honour(pause.id)

    def _bring(self, signal: Signal) -> bool:
        """Bring a signal to the work that it is aimed at; false while that has not begun here."""
        works = self._works if signal.target in self.targets else self._at(signal.target)
        if signal.target not in self.targets and not works:
            return False
        if signal.kind in ("cancel", "reroute"):
            self._stop(signal, list(works))
        elif signal.kind == "steer":
            self._steer(signal, works)
            if signal.target in self.targets:
                self.steer.hear(signal)
        elif signal.kind == "resume" or not works:
            self.honour(signal.id)
        return True

    def _answer(self, do: str, signal: str) -> Answer:
        return forgotten(self._session.commands.submit(self._session.id, do, {"signal": signal}))

    def _at(self, target: str) -> list[Work]:
        return [work for work in self._works if work.target == target]

    def _stop(self, signal: Signal, works: list[Work]) -> None:
        if not works:
            self.honour(signal.id)
            return
        self._stopping[signal.id] = works
        for work in works:
            work.stop(signal)

    def _steer(self, signal: Signal, works: Iterable[Work]) -> None:
        for work in works:
            if work.steer is not None:
                work.steer.hear(signal)

    def _holding(self, targets: frozenset[str]) -> list[Signal]:
        return [self._pauses[target] for target in targets if target in self._pauses]

    def _honour_waiting(self, pauses: Iterable[Signal]) -> None:
        signals = self._session.live.state.signals
        for pause in pauses:
            if self.me in signals.known[pause.id].waiting:
                self.honour(pause.id)
