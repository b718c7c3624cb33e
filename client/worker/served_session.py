"""One session that a worker has joined: claims its tasks, works on them, and leaves it when it has been idle.

joining → serving → left
"""

import asyncio
from collections.abc import Callable, Mapping

from ...domain.concepts.tasks import Task
from ...domain.errors import StenogramError
from ...domain.ids import TaskId
from ..agent.agent import Agent
from ..agent.claimed_task import ClaimedTask
from ..agent.claims import Claims
from ..agent.error_policy import ErrorPolicy
from ..agent.slots import Slots
from .handler import Handler, handler_of


class ServedSession:
    """`changed` is called whenever what the properties say may have changed. `slots` are shared by all sessions."""

    def __init__(
        self,
        agent: Agent,
        handlers: Mapping[str, Handler],
        slots: Slots,
        idle: float,
        lease: float | None,
        changed: Callable[[], None],
    ) -> None:
        self._agent = agent
        self._handlers = handlers
        self._slots = slots
        self._idle = idle
        self._lease = lease
        self._changed = changed
        self._claims: Claims | None = None
        self._working = 0
        self._leaving = False
        loop = asyncio.get_running_loop()
        self._idle_since = loop.time()
        self._timer = loop.call_later(idle, self._on_idle)
        self._waiting: asyncio.Timeout | None = None

    @property
    def due(self) -> bool:
        """Whether it works on nothing and is about to claim a task, as far as is known."""
        return not (self._leaving or self._working) and (self._claims is None or bool(self._claimable()))

    def idle_since(self) -> float | None:
        """Since when it can be left for another session: nothing is worked on, and either there is nothing to claim,
        or nothing has been claimed for the time after which it is idle. None: it cannot."""
        if self._claims is None or self._claims.requesting or self._working or self._leaving:
            return None
        over = asyncio.get_running_loop().time() >= self._idle_since + self._idle
        return self._idle_since if over or not self._claimable(backing_off=True) else None

    def leave(self) -> None:
        """Claim nothing more, and leave when the work at hand is done."""
        self._leaving = True
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    @property
    def closed(self) -> bool:
        """Whether the session, which was joined, is closed."""
        return self._agent.session.live.state.session.status == "closed"

    def known(self) -> tuple[int, Mapping[TaskId, Task], list[TaskId]]:
        """What is known of it: up to which version, its tasks, and those that could be claimed; of a session that was
        left, as it was then."""
        live = self._agent.session.live
        return live.version, live.state.tasks.known, self._claimable(backing_off=True)

    async def run(self) -> None:
        """Join, work, and leave. Raises the refusal to be joined. Cancelling gives back what is held."""
        async with self._agent as agent:
            self._claims = agent.claims(self._accepts, self._slots, self._errors_of, self._lease)
            agent.session.live.listen(self._changed)
            self._rest()
            self._changed()
            try:
                async with asyncio.TaskGroup() as group:
                    while (task := await self._next(self._claims)) is not None:
                        self._working += 1
                        group.create_task(self._work(agent, task), name=f"stenogram-task-{task.id}")
            finally:
                self._leaving = True
                self._timer.cancel()

    async def _next(self, claims: Claims) -> ClaimedTask | None:
        """The next task; None when the session is to be left, or is closed."""
        while not self._leaving:
            try:
                async with asyncio.timeout(None) as self._waiting:
                    return await anext(claims)
            except (StopAsyncIteration, TimeoutError):
                return None
            finally:
                self._waiting = None
        return None

    def _rest(self) -> None:
        """Nothing is worked on from now on, and it may become idle."""
        loop = asyncio.get_running_loop()
        self._timer.cancel()
        self._idle_since, self._timer = loop.time(), loop.call_later(self._idle, self._on_idle)

    def _on_idle(self) -> None:
        """Nothing was worked on for a while. What can be claimed, and is not for want of room, or is left to others for
        a moment, is waited for: nobody would come back for it."""
        if self._working or self._leaving:
            return
        if self._claims is None or self._claims.requesting or self._claimable(backing_off=True):
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._on_idle)
        else:
            self.leave()

    async def _work(self, agent: Agent, claimed: ClaimedTask) -> None:
        try:
            async with claimed:
                handler = handler_of(self._handlers, claimed.input)
                assert handler is not None  # or it would not have been accepted
                output = await handler.work(agent, claimed)
                if claimed.held:
                    await claimed.complete(output)
        finally:
            self._working -= 1
            if not (self._working or self._leaving):
                self._rest()
            self._changed()

    def _claimable(self, *, backing_off: bool = False) -> list[TaskId]:
        if self._claims is None:
            return []
        try:
            return [each.id for each in self._claims.claimable(backing_off=backing_off)]
        except StenogramError:  # the session cannot be folded; `run` raises it
            return []

    def _accepts(self, task: Task) -> bool:
        return handler_of(self._handlers, task.input) is not None

    def _errors_of(self, task: Task) -> ErrorPolicy:
        handler = handler_of(self._handlers, task.input)
        assert handler is not None
        return handler.errors
