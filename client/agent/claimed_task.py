"""A task that this agent has claimed: worked on in a block, which is cancelled when the task is.

claimed → entered → left: completed | failed | released | cancelled | rerouted | lost
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple, ParamSpec, Self, TypedDict, Unpack

from ...domain.concepts.signals import Signal
from ...domain.concepts.tasks import Task, Tasks
from ...domain.errors import Busy, Fenced, Paused, SessionClosed, StenogramError
from ..arguments import drop_none
from ..errors import retry_after
from ..session_port import SessionPort
from ..task_context import TaskContext, task_context
from ..transport.command_queue import Ack, Answer, unawaited
from .cancel_scope import CancelScope
from .error_policy import ErrorPolicy, TaskEnd
from .signal_dispatcher import SignalDispatcher
from .status_stack import StatusStack
from .steering import Steering

P = ParamSpec("P")
END_TIMEOUT_S = 5.0
logger = logging.getLogger("stenogram.client")


class Outcome(NamedTuple):
    """How work on a task ended. `held`: it has not. `lost`: it was taken away, because it was silent for too long or by
    somebody's decision; what is written under it is refused."""

    kind: Literal["held", "completed", "failed", "released", "cancelled", "rerouted", "lost"]
    reason: str | None = None


class Reports(TypedDict, total=False):
    """What is said of an attempt when it ends: what it took since the last report (tokens, costs), and the
    application's own."""

    usage: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None


class ClaimedTask:
    """Use it with `async with`; inside, whatever this client writes to the session is done under the task.

    - When the task is cancelled or rerouted, or was taken away, the block is cancelled: what it waits for, be it a
      model or a tool, gets CancelledError. Once it has cleaned up, the block ends there, without an error, and
      `outcome` says what happened; a signal is honoured then. Somebody else's cancellation of the block is raised on.
    - A block that ends without having said how (`complete`, `fail`, `release`) gives the task back.
    - So does one that ends with an exception, which is logged and goes no further, so that a loop over tasks goes on;
      unless `on_error` of `Agent.tasks` says otherwise. KeyboardInterrupt, SystemExit and somebody else's cancellation
      are always raised on.
    - One that is not entered is held, until it is released or the agent leaves.

    `on_end` is called when it is not held any more, and may be called again.
    """

    def __init__(
        self,
        session: SessionPort,
        signals: SignalDispatcher,
        statuses: StatusStack,
        task: Task,
        attempt: int,
        errors: ErrorPolicy,
        on_end: Callable[["ClaimedTask"], None],
    ) -> None:
        self.id = task.id
        self.attempt = attempt
        self.title = task.title
        self.input: Any = task.input
        self.parent = task.parent
        self.needs: Sequence[str] = task.needs
        self.steers: Sequence[Any] = task.steers
        """Instructions that were honoured in earlier attempts."""
        self.last_error = task.last_error
        """Why the attempt before this one came to nothing; None at the first."""
        self.outcome = Outcome("held")
        """How it ended."""
        self.steer: Steering = Steering(signals.honour)
        """New instructions."""
        self.target = f"task:{task.id}"
        self.targets = signals.targets | {self.target}
        self._session = session
        self._signals = signals
        self._statuses = statuses
        self._errors = errors
        self._on_end = on_end
        self._claimed = task
        self._scope = CancelScope()
        self._signal: Signal | None = None
        self._ending: Answer | None = None
        cause = session.live.began(self.target)
        self._context = TaskContext(session.commands, session.id, self.id, attempt, self._checkpoint, cause)
        self._around = contextlib.ExitStack()

    @property
    def held(self) -> bool:
        """Whether this agent holds it, as far as is known here."""
        return self.outcome.kind == "held"

    @property
    def wanted(self) -> bool:
        """Whether it is held, and no signal wants it ended."""
        return self.held and self._signal is None

    async def progress(
        self, note: str | None = None, share: float | None = None, *, usage: Mapping[str, Any] | None = None
    ) -> None:
        """Say how far it is; `share` goes from 0 to 1, `usage` is what it took since the last report. It also shows
        that the work goes on (`stall_after`)."""
        await self._unpaused(self._progress, note=note, share=share, usage=usage)

    def alive(self) -> None:
        """Show that the work goes on, by a heartbeat that names the task: nothing is written. For work that computes
        for longer than the task's `stall_after` and has nothing to say."""
        self._session.show_progress(self.id)

    async def complete(self, output: Any = None, **reports: Unpack[Reports]) -> None:
        """The work is done; `output` is any JSON value. What the block writes afterwards is not under the task."""
        await self._unpaused(self._end, "task.complete", Outcome("completed"), output=output, **reports)

    async def fail(self, error: str, *, retryable: bool = False, **reports: Unpack[Reports]) -> None:
        """It cannot be done; with `retryable`, somebody may try again."""
        await self._end("task.fail", Outcome("failed", error), error=error, retryable=retryable, **reports)

    async def release(self, reason: str | None = None, **reports: Unpack[Reports]) -> None:
        """Give it back for others to do."""
        await self._end("task.release", Outcome("released", reason), reason=reason, **reports)

    async def __aenter__(self) -> Self:
        self._around.enter_context(task_context(self._context))
        self._around.enter_context(self._statuses.during("working", self.title))
        self._scope.enter()  # last: once it can be cancelled, `__aexit__` will undo the others
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # First: whatever is awaited below must not be hit by a signal's cancellation that is still on its way.
        ours = self._scope.leave(error)
        try:
            await self._leave(error)
        finally:
            self._around.close()
            self._finish()
        taken = self.outcome.kind in ("lost", "cancelled", "rerouted")
        if ours or (taken and _is_fenced(error)):
            return True
        if self._errors.survives(error):
            what, how = f"Task {self.id} ({self.title}), attempt {self.attempt}", self.outcome.kind
            logger.error("%s, raised an error and is %s", what, how, exc_info=error)
            return True
        return False

    def stop(self, signal: Signal) -> None:
        """End the block; the signal is honoured when it has ended."""
        self._signal = signal
        self._scope.cancel()

    def check(self, tasks: Tasks) -> None:
        """Tasks have changed: end the block if this one is not held any more."""
        now = tasks.known.get(self.id)
        held = now is not None and now.status == "claimed" and now.attempt == self.attempt
        if not held and self._ending is None and self.held:
            self.outcome = _lost(now, self.attempt)
            self._scope.cancel()
            self._finish()

    async def _checkpoint(self) -> None:
        await self._signals.checkpoint(self.targets)

    async def _unpaused(self, write: Callable[P, Awaitable[None]], *args: P.args, **members: P.kwargs) -> None:
        """Write when the task is not paused. A pause whose event is not folded here yet comes as a refusal."""
        while True:
            await self._checkpoint()
            try:
                return await write(*args, **members)
            except Paused as paused:
                await asyncio.sleep(retry_after(paused))

    async def _progress(self, **members: Any) -> None:
        data, cause = self._data(**members), self._context.cause
        await self._session.commands.do(self._session.id, "task.progress", data, cause=cause)

    def _data(self, **members: Any) -> dict[str, Any]:
        return drop_none(task=self.id, attempt=self.attempt, **members)

    async def _end(self, do: str, outcome: Outcome, **members: Any) -> None:
        """Say how it ends. Refused, it is held on; unless the refusal says that it has been taken away. Once sent, the
        answer counts, also when nobody waits for it any more."""
        data, cause = self._data(**members), self._context.cause
        answer = self._session.commands.submit(self._session.id, do, data, cause=cause)
        self._ending = answer
        # A callback, and not the lines behind the wait: these are not reached when the wait is cancelled, and the task
        # would be given back though it is completed.
        unawaited(answer).add_done_callback(lambda done: self._answered(done, outcome))
        await asyncio.wait([answer])  # unlike `await answer`, this leaves the future alone when it is cancelled
        answer.result()

    def _answered(self, answer: Answer, outcome: Outcome) -> None:
        self._ending = None
        error = answer.exception()
        if error is None:
            self.outcome, self._context.ended = outcome, True
            self._finish()
        elif isinstance(error, Fenced):
            self.outcome = Outcome("lost", error.detail) if self.held else self.outcome
        # While the answer was awaited, changes were not looked at: what ended the task meanwhile is found out here.
        self.check(self._session.live.state.tasks)

    def _finish(self) -> None:
        """The task is not held any more."""
        self.steer.end()
        self._on_end(self)

    async def _leave(self, error: BaseException | None) -> None:
        """Honour the signals that have waited for the end of the block; give the task back if it is still held. What
        is sent is waited for, but not without end, since there may be an error already."""
        if self._ending is not None:
            await asyncio.wait([self._ending], timeout=END_TIMEOUT_S)
        answers = self._signals.detach(self)
        given_up: Outcome | None = None
        if self.held and self._signal is not None:
            signal = self._signal
            kind: Any = "cancelled" if signal.kind == "cancel" else "rerouted"
            self.outcome = Outcome(kind, f"{signal.raiser} raised {signal.kind} {signal.id}.")
        elif self.held:
            end = self._errors.end(self._claimed, error)
            self.outcome = given_up = Outcome(end.kind, end.reason)
            answers += self._let_go(end)
        if answers:
            done, late = await asyncio.wait(answers, timeout=END_TIMEOUT_S)
            if late:
                logger.warning("The end of task %s was not confirmed in %g s", self.id, END_TIMEOUT_S)
            taken = [each for answer in done if isinstance(each := answer.exception(), Fenced | SessionClosed)]
            if taken and self.outcome is given_up:
                # The refusal overtook the event that says so.
                kind = "cancelled" if isinstance(taken[0], SessionClosed) else "lost"
                self.outcome = Outcome(kind, taken[0].detail)

    def _let_go(self, end: TaskEnd) -> list[Answer]:
        do, member = ("task.fail", "error") if end.kind == "failed" else ("task.release", "reason")
        data, cause = self._data(**{member: end.reason}), self._context.cause

        def send() -> Answer:
            return unawaited(self._session.commands.submit(self._session.id, do, data, cause=cause))

        try:
            first = send()
        except StenogramError:  # the client is closed; the gateway notices by itself
            return []
        return [unawaited(asyncio.ensure_future(_until_accepted(send, first)))]


async def _until_accepted(send: Callable[[], Answer], answer: Answer) -> Ack:
    """Send again what is too much at once: the agent's heartbeats would hold the task for as long as it lives."""
    while True:
        try:
            return await answer
        except Busy as busy:
            await asyncio.sleep(retry_after(busy))
            answer = send()


def _lost(now: Task | None, attempt: int) -> Outcome:
    """Why a task is not held any more."""
    if now is None or now.status == "open":
        return Outcome("lost", "It is back on the board.")
    if now.status == "claimed":
        return Outcome("lost", f"{now.owner} holds it now, by attempt {now.attempt}.")
    mine = now.status == "cancelled" or now.attempt == attempt
    return Outcome(now.status if mine else "lost", f"It is {now.status}.")


def _is_fenced(error: BaseException | None) -> bool:
    """Whether the error says nothing but that something was taken away, or all of it by closing the session."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_fenced(each) or isinstance(each, asyncio.CancelledError) for each in error.exceptions)
    return isinstance(error, Fenced | SessionClosed)
