"""Signals from the session, brought to the runs that are recorded in it.

A program that is only recorded keeps running unless its framework has a way to stop it. So what cannot be done is
refused, with the reason, and whoever raised the signal sees that. A pause is refused, too. While it holds, the gateway
takes nothing from who is paused all the same, so the record waits in the backlog until somebody resumes.
"""

from collections.abc import Callable

from ...client.session import Session
from ...client.transport.command_queue import unawaited
from ...domain.concepts.signals import SESSION, Signal
from ...domain.ids import ParticipantId, SignalId
from .run_record import RunRecord

NO_STOP = "The framework has no way to stop this run from outside."
NO_STEER = "The framework has no way to give instructions to this run."
NO_HOLD = "A run that is only recorded cannot be held or rerouted; its record waits, and the program goes on."
WHOLE_RUNS = "Only a run as a whole can be stopped."
UNREAD = "The run ended before it read this."


class Interruptions:
    """Answers the signals that concern one participant in one session. It is of the loop in which the session is."""

    def __init__(self, session: Session, me: ParticipantId) -> None:
        self._session = session
        self.me = me
        self._runs: dict[str, RunRecord] = {}
        self._seen: set[SignalId] = set()
        self._stopping: dict[SignalId, set[str]] = {}
        session.live.listen(self._on_change)

    def attach(self, run: RunRecord) -> None:
        """A run in which the participant takes part."""
        self._runs[run.id] = run
        self._on_change()

    def detach(self, run: RunRecord) -> None:
        """It has ended: stops of it are honoured, what it has not read is refused."""
        if self._runs.pop(run.id, None) is None:
            return
        for signal, runs in list(self._stopping.items()):
            runs.discard(run.id)
            if not runs:
                del self._stopping[signal]
                self._answer("signal.honour", signal)
        for signal in run.unread():
            self._answer("signal.refuse", signal, UNREAD)

    def read(self, signal: SignalId) -> None:
        """An instruction was read."""
        known = self._session.live.state.signals.known.get(signal)
        if known is not None and self.me in known.waiting:
            self._answer("signal.honour", signal)

    def close(self) -> None:
        """Answer nothing more."""
        self._session.live.ignore(self._on_change)

    def _on_change(self) -> None:
        signals = self._session.live.state.signals
        if not signals.open:
            self._seen.clear()
            return
        self._seen.intersection_update(signals.open)
        for signal in signals.in_order():
            if self.me in signal.waiting and signal.id not in self._seen:
                self._seen.add(signal.id)
                self._answer("signal.deliver", signal.id)
                self._bring(signal)

    def _bring(self, signal: Signal) -> None:
        runs = [run for run in self._runs.values() if _concerns(signal, run, self.me)]
        if signal.kind == "cancel":
            self._each(signal, runs, lambda run: run.stop is not None, NO_STOP, self._stop)
        elif signal.kind == "steer":
            self._each(signal, runs, lambda run: run.steerable, NO_STEER, self._steer)
        elif signal.kind == "resume":
            self._answer("signal.honour", signal.id)
        else:
            self._answer("signal.refuse", signal.id, NO_HOLD)

    def _each(
        self,
        signal: Signal,
        runs: list[RunRecord],
        able: Callable[[RunRecord], bool],
        why_not: str,
        do: Callable[[Signal, list[RunRecord]], None],
    ) -> None:
        if not runs:
            refuses = signal.kind == "steer" or signal.target.startswith("message:")
            self._answer("signal.refuse" if refuses else "signal.honour", signal.id, WHOLE_RUNS if refuses else None)
        elif not all(map(able, runs)):
            self._answer("signal.refuse", signal.id, why_not)
        else:
            do(signal, runs)

    def _stop(self, signal: Signal, runs: list[RunRecord]) -> None:
        # Before the runs are stopped: one that ends at once is detached, and must find the signal that it ends for.
        self._stopping[signal.id] = {run.id for run in runs}
        for run in runs:
            run.request_stop()

    def _steer(self, signal: Signal, runs: list[RunRecord]) -> None:
        for run in runs:
            run.instruct(signal.id, signal.body)

    def _answer(self, do: str, signal: SignalId, reason: str | None = None) -> None:
        data = {"signal": signal} if reason is None else {"signal": signal, "reason": reason}
        cause = self._session.live.began(f"signal:{signal}")
        unawaited(self._session.commands.submit(self._session.id, do, data, cause=cause))


def _concerns(signal: Signal, run: RunRecord, me: ParticipantId) -> bool:
    return signal.target in (SESSION, f"agent:{me}", f"task:{run.task}")
