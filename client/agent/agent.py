"""An agent at work in a session: it takes tasks, hears signals, speaks, asks, and says what it waits for.

Agent ── Session       what it reads and writes
  ├── Claims           tasks as they come up, each a ClaimedTask with a Scope
  ├── Hearing          signals, brought to what they are aimed at
  └── Standing         the status that others see
"""

import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

from ...domain.concepts.messages import MessageKind
from ...domain.concepts.presence import Status
from ..approvals import ApprovalAnswer
from ..audience import To, names
from ..drop_none import drop_none
from ..message import WINDOW
from ..session import Session
from ..state import SharedState
from ..tool import ToolCall
from .claimed_task import ClaimedTask
from .claims import Accepts, Claims
from .signal_dispatcher import SignalDispatcher
from .speech import Speech
from .status_stack import StatusStack, Until
from .steering import Steering


class Agent:
    """Use it with `async with`.

    Entering it opens the session unless it exists, joins and follows it. What an earlier run of the same agent had
    left (its tasks, open messages and questions) is given back first: it begins anew. Leaving the block, also by an
    exception or Ctrl-C, leaves the session, which gives back whatever is still held.

    While the block runs, the agent is kept present by heartbeats of its connection. If it was lost all the same (the
    process was suspended, say), it joins again; what it held then is gone, and the blocks of its tasks are cancelled.
    """

    def __init__(self, session: Session, me: str) -> None:
        self.id = me
        """Who it is, as the gateway knows it."""
        self.session = session
        self.state: SharedState = session.state
        """The session's shared state."""
        self.standing = StatusStack(session)
        """What others see that it does."""
        self.hearing = SignalDispatcher(session, me, self.standing)
        """How it hears signals."""
        self._claims: weakref.WeakSet[Claims] = weakref.WeakSet()

    @property
    def steer(self) -> Steering:
        """New instructions to the agent as a whole, and to the session."""
        return self.hearing.steer

    @property
    def paused(self) -> bool:
        """Whether the agent as a whole, or the session, is paused."""
        return self.hearing.paused(self.hearing.targets)

    def tasks(self, accepts: Accepts | None = None, *, limit: int = 1, lease: float | None = None) -> Claims:
        """Claim tasks as they come up, by priority and then by age, `limit` of them at a time.

        `accepts` is a predicate over a task of the board (`title`, `input`, `parent`, ...), or the name, or names, that
        stand as `kind` in the input of the tasks wanted; without it, every task. `lease`: seconds of silence after
        which a task is taken back (60).
        """
        claims = Claims(self, accepts, limit, lease)
        self._claims.add(claims)
        return claims

    def say(
        self,
        *,
        to: To | None = None,
        kind: MessageKind | None = None,
        reply_to: str | None = None,
        message: str | None = None,
        window: float = WINDOW,
    ) -> Speech:
        """A message to stream, under the task that is worked on; see MessageStream, and Speech for what ends it."""
        return Speech(
            self.session,
            drop_none(audience=names(to), kind=kind, reply_to=reply_to),
            self.hearing,
            self._targets(),
            message=message,
            window=window,
        )

    def tool(self, tool: str, arguments: Any = None, *, to: To | None = None, message: str | None = None) -> ToolCall:
        """A tool call to record, under the task that is worked on."""
        return self.session.tool(tool, arguments, to=to, message=message)

    async def status(self, status: Status, activity: str | None = None) -> None:
        """Say what you are doing. In a task's block this lasts until its end."""
        await self.standing.say(status, activity)

    @asynccontextmanager
    async def waiting_for_tool(self, activity: str, *, until: Until | None = None) -> AsyncIterator[None]:
        """Wait for something slow, and say so: for the time of the block (at most `until`) nobody takes the silence for
        a stall."""
        with self.standing.during("waiting-for-tool", activity, until):
            yield

    @asynccontextmanager
    async def waiting_for_human(self, activity: str, *, until: Until | None = None) -> AsyncIterator[None]:
        """Wait for a person, and say so."""
        with self.standing.during("waiting-for-human", activity, until):
            yield

    async def ask(
        self,
        question: str,
        options: Sequence[str] = ("yes", "no"),
        *,
        of: To = "users",
        deadline: float | None = None,
        default: str | None = None,
    ) -> str:
        """Ask people and wait for the answer: one of the options. At the deadline (seconds) the default holds; without
        one, Unanswered is raised. It is asked under the task that is worked on, and taken back when that ends, or when
        nobody waits for the answer any more."""
        async with self.waiting_for_human(question, until=deadline):
            return await self.session.approvals.ask(question, options, of=of, deadline=deadline, default=default)

    async def ask_for(
        self,
        question: str,
        schema: Mapping[str, Any],
        *,
        options: Sequence[str] = (),
        of: To = "users",
        deadline: float | None = None,
        default: str | None = None,
    ) -> ApprovalAnswer:
        """Ask people for a value that matches a JSON Schema, see `Approvals.ask_for`, and wait for it like `ask`."""
        async with self.waiting_for_human(question, until=deadline):
            return await self.session.approvals.ask_for(
                question, schema, options=options, of=of, deadline=deadline, default=default
            )

    async def checkpoint(self) -> None:
        """Wait while what is worked on is paused. All writes under a task do so, and `tasks`; long work that does not
        write should ask now and then."""
        await self.hearing.checkpoint(self._targets())

    def began(self, task: ClaimedTask) -> None:
        """A task was claimed."""
        self.hearing.attend(task)

    def ended(self, task: ClaimedTask) -> None:
        """A task is not held any more. Idempotent."""
        for claims in list(self._claims):
            claims.freed(task)

    async def __aenter__(self) -> Self:
        await self.session.__aenter__()
        self.hearing.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hearing.end()
        await self.session.__aexit__(kind, error, trace)

    def _targets(self) -> frozenset[str]:
        under = self.session.current_task
        return self.hearing.targets if under is None else self.hearing.targets | {under.target}
