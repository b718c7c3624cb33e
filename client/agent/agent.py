"""An agent at work in a session: it claims tasks, answers signals, speaks, asks, and says what it waits for.

Agent ── Session           what it reads and writes
  ├── Claims               tasks as they come up, each a ClaimedTask with a CancelScope
  ├── SignalDispatcher     signals, brought to the work that they are aimed at
  └── StatusStack          the status that others see
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, Unpack

from ...domain.concepts.approvals import Answer, Question
from ...domain.concepts.messages import MessageKind
from ...domain.concepts.presence import Status
from ...domain.concepts.tasks import Task
from ..approvals import ApprovalAnswer, Asking, AskingAll
from ..arguments import To, drop_none, names
from ..errors import reason_of
from ..session import Session
from ..state import SharedState
from ..tool import ToolCall
from ..transport.text_stream import WINDOW_S
from .claims import Accepts, Claims
from .error_policy import MAX_ATTEMPTS, ErrorPolicy, ErrorText, OnError
from .signal_dispatcher import SignalDispatcher
from .slots import Slots
from .speech import Speech
from .status_stack import StatusStack, Until
from .steering import Steering


class Agent:
    """An agent in a session; made by `Client.agent`. Use it with `async with`, in one event loop.

    Entering it opens the session unless it exists, joins and follows it. What an earlier run of the same agent left
    (its tasks, open messages and questions) is given back first: the agent starts over. Leaving the block, also by an
    exception or Ctrl-C, leaves the session, which gives back what is still held.

    While the block runs, heartbeats of the connection keep the agent present. If it was lost all the same (the process
    was suspended, say), it joins again; what it held is gone, and the blocks of its tasks are cancelled.
    """

    def __init__(self, session: Session, me: str) -> None:
        self.id = me
        """The participant's id, as the gateway knows it."""
        self.session = session
        self.state: SharedState = session.state
        """The session's shared state."""
        self._statuses = StatusStack(session)
        self._signals = SignalDispatcher(session, me, self._statuses)

    @property
    def steer(self) -> Steering:
        """New instructions to the agent as a whole, and to the session."""
        return self._signals.steer

    @property
    def paused(self) -> bool:
        """Whether the agent as a whole, or the session, is paused."""
        return self._signals.paused(self._signals.targets)

    def tasks(
        self,
        accepts: Accepts | None = None,
        *,
        limit: int = 1,
        lease: float | None = None,
        on_error: OnError = "release",
        max_attempts: int | None = MAX_ATTEMPTS,
        error_text: ErrorText = reason_of,
    ) -> Claims:
        """Claim tasks as they come up, by priority and then by age, `limit` of them at a time.

        `accepts` is a predicate over a task of the board (`title`, `input`, `parent`, ...), or the name, or names, that
        are the `kind` in the input of the tasks wanted; without it, every task. `lease`: seconds of silence after which
        a task is taken back (60).

        An exception in the block of a task is logged, with its traceback (logger `stenogram.client`), and the loop goes
        on. With `on_error="release"` the task is given back for another attempt. Once `max_attempts` of them came to
        nothing it has failed; a `max_attempts` of the task's own counts instead. With `"fail"` it has failed at once.
        `"raise"` gives it back and raises the exception, which ends the loop. What the record says of the exception is
        the name of its class, since texts of exceptions hold paths and keys; `error_text=str` records its text. It is
        the task's `last_error`: in views, and for the next attempt.
        """
        errors = ErrorPolicy(on_error, max_attempts, error_text).checked()
        return self.claims(accepts, Slots(limit), lambda task: errors, lease)

    def claims(
        self,
        accepts: Accepts | None,
        slots: Slots,
        errors: Callable[[Task], ErrorPolicy],
        lease: float | None = None,
    ) -> Claims:
        """Like `tasks`, with slots that others may share, and what errors lead to for each task."""
        return Claims(self.session, self._signals, self._statuses, accepts, slots, lease, errors)

    def say(
        self,
        *,
        to: To | None = None,
        kind: MessageKind | None = None,
        reply_to: str | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        window: float = WINDOW_S,
    ) -> Speech:
        """A message to stream, under the task that is worked on; see MessageStream, and Speech for what ends it."""
        start = drop_none(audience=names(to), kind=kind, reply_to=reply_to, metadata=metadata)
        return Speech(self.session, start, self._signals, message=message, window=window)

    def tool(
        self,
        tool: str,
        arguments: Any = None,
        *,
        to: To | None = None,
        message: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ToolCall:
        """A tool call to record, under the task that is worked on."""
        return self.session.tool(tool, arguments, to=to, message=message, metadata=metadata)

    async def status(self, status: Status, activity: str | None = None) -> None:
        """Say what you are doing; `activity` is cut at 200 characters. In a task's block this lasts until its end."""
        await self._statuses.say(status, activity)

    @asynccontextmanager
    async def waiting_for_tool(self, activity: str, *, until: Until | None = None) -> AsyncIterator[None]:
        """Wait for something slow, and say so: during the block (at most `until`, a moment or seconds from now) the
        silence does not count as a stall."""
        with self._statuses.during("waiting-for-tool", activity, until):
            yield

    @asynccontextmanager
    async def waiting_for_human(self, activity: str, *, until: Until | None = None) -> AsyncIterator[None]:
        """Wait for a person, and say so."""
        with self._statuses.during("waiting-for-human", activity, until):
            yield

    async def ask(
        self,
        question: str,
        options: Sequence[str] = ("yes", "no"),
        **how: Unpack[Asking],
    ) -> str:
        """Ask people and wait for the answer: one of the options, or, with `own_words`, what was said instead. See
        `Approvals.ask`. The question is asked under the task that is worked on. It is withdrawn when that ends, and
        when the wait is cancelled."""
        async with self.waiting_for_human(question, until=how.get("deadline")):
            return await self.session.approvals.ask(question, options, **how)

    async def ask_for(
        self,
        question: str,
        schema: Mapping[str, Any],
        *,
        options: Sequence[str] = (),
        **how: Unpack[Asking],
    ) -> ApprovalAnswer:
        """Ask people for a value that matches a JSON Schema, see `Approvals.ask_for`, and wait for it like `ask`."""
        async with self.waiting_for_human(question, until=how.get("deadline")):
            return await self.session.approvals.ask_for(question, schema, options=options, **how)

    async def ask_all(
        self, question: str, questions: Sequence[Question | Mapping[str, Any]], **how: Unpack[AskingAll]
    ) -> Mapping[str, Answer]:
        """Ask people several questions at once, see `Approvals.ask_all`, and wait for the answers like `ask`."""
        async with self.waiting_for_human(question, until=how.get("deadline")):
            return await self.session.approvals.ask_all(question, questions, **how)

    async def checkpoint(self) -> None:
        """Wait while what is worked on is paused. All writes under a task do so, and `tasks`; long work that does not
        write should call this now and then."""
        await self._signals.checkpoint(self._signals.current_targets)

    async def __aenter__(self) -> Self:
        await self.session.__aenter__()
        self._signals.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Before the session is left: what leaving changes must not be dispatched to work that has ended.
        self._signals.stop()
        await self.session.__aexit__(kind, error, trace)
