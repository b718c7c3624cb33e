"""A worker: one agent that serves every session of a kind, with as many tasks at a time as it has room for.

Worker ── TaskFinder ── OpenTasks     in which sessions there may be something to do: one subscription for all
   ├── Slots                          room for tasks, over all sessions
   └── ServedSession                  a session that was joined: one subscription each, as long as there is work
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from ...domain.errors import Busy, NotReady, SessionClosed, StenogramError
from ..agent.error_policy import MAX_ATTEMPTS, ErrorPolicy, ErrorText
from ..agent.slots import Slots
from ..client import Client
from ..errors import reason_of, retry_after
from ..transport.identity import Token
from .handler import Handler, Work, WorkErrors, handler_of
from .open_tasks import OpenTasks
from .served_session import ServedSession
from .task_finder import TaskFinder

W = TypeVar("W", bound=Work)
logger = logging.getLogger("stenogram.client")


class Worker:
    """An agent for the tasks of many sessions: `async with Worker(...) as worker: await worker.run()`, in one loop.

    `name` is its participant at a gateway that runs open; with a `token` it is what people call it. `sessions` are ids,
    where a `*` at the end means any rest; only sessions that the token may read are seen. `concurrency` bounds the
    tasks that are worked on at a time, over all sessions.

    - A session is joined when there is a task for the worker in it, and left after `idle` seconds without one. At most
      `max_sessions` are joined at a time, each of which takes one of the connection's subscriptions (100, unless the
      gateway is set otherwise); one more is for all that are not joined. Those that are joined take turns. When more
      have tasks, idle ones make room.
    - Several workers, also of one name, share the work: each task is claimed by one. What a worker held that was killed
      returns to the board when its `lease` (seconds of silence, 15) is over.
    - An exception of a task's function ends the attempt, as in `Agent.tasks`, and not the worker.
    - The connection is kept up as by Client; the gateway may restart.
    """

    def __init__(  # noqa: PLR0913  (keywords, few of which are used at once)
        self,
        url: str,
        name: str | None = None,
        *,
        sessions: str | Iterable[str] = "*",
        concurrency: int = 1,
        max_sessions: int = 50,
        idle: float = 10.0,
        token: Token | None = None,
        about: Mapping[str, Any] | None = None,
        lease: float | None = None,
        task_lease: float | None = None,
        connect_timeout: float | None = None,
    ) -> None:
        if concurrency < 1 or max_sessions < concurrency:
            raise ValueError("concurrency is at least 1, and max_sessions at least concurrency.")
        participant = name if token is None else None
        self._client = Client(url, token=token, participant=participant, connect_timeout=connect_timeout)
        self._name = name
        self._patterns = (sessions,) if isinstance(sessions, str) else tuple(sessions)
        self._concurrency = concurrency
        self._max_sessions = max_sessions
        self._idle = idle
        self._about = about
        self._lease = lease
        self._task_lease = task_lease
        self._handlers: dict[str, Handler] = {}
        self._slots = Slots(concurrency)
        self._served: dict[str, ServedSession] = {}
        self._delayed: set[str] = set()
        self._changed = asyncio.Event()
        self._draining = False

    @property
    def joined(self) -> list[str]:
        """The sessions that are joined now."""
        return list(self._served)

    def task(
        self,
        kind: str,
        *,
        max_attempts: int | None = MAX_ATTEMPTS,
        on_error: WorkErrors = "release",
        error_text: ErrorText = reason_of,
    ) -> Callable[[W], W]:
        """A decorator: the function does the tasks whose input has this `kind`.

        It is called with the agent in the task's session and the task, in the task's block; what it returns is the
        task's output, unless it has ended the task itself. The keywords are those of `Agent.tasks`. Raises ValueError
        for a kind that has a function already, and TypeError for a function that is not async."""
        errors = ErrorPolicy(on_error, max_attempts, error_text).checked()
        if errors.on_error == "raise":
            raise ValueError("A worker goes on after an error: on_error is 'release' or 'fail'.")

        def register(work: W) -> W:
            asynchronous = inspect.iscoroutinefunction(work)  # as a condition it would change the type of `work`
            if kind in self._handlers:
                raise ValueError(f"There is a function for tasks of kind {kind!r} already.")
            if not asynchronous:
                raise TypeError(f"{work!r} is not async; write `async def`, and `asyncio.to_thread` for what blocks.")
            self._handlers[kind] = Handler(work, errors)
            return work

        return register

    async def run(self) -> None:
        """Work until `drain`, or until it is cancelled; then the tasks at hand are given back and the sessions left.
        Raises what makes it impossible to go on, such as Unauthenticated."""
        if not self._handlers:
            raise ValueError("The worker has no function for any kind of task; give it one with `@worker.task(kind)`.")
        tasks = OpenTasks(self._client.participant, self._covers, self._wants)
        finder = TaskFinder(self._client, tasks, self._changed.set)
        try:
            async with asyncio.TaskGroup() as group:
                finding = group.create_task(finder.run(), name="stenogram-worker-finder")
                finding.add_done_callback(lambda _: self.drain())  # the client was closed
                await self._serve(tasks, group)
                finding.cancel()
        except BaseExceptionGroup as errors:
            raise _only(errors) from None

    def drain(self) -> None:
        """Claim nothing more; `run` returns when the tasks at hand are done. To give them back, cancel it. May be
        called by a signal handler of the event loop."""
        self._draining = True
        self._changed.set()

    async def __aenter__(self) -> Self:
        await self._client.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def _serve(self, tasks: OpenTasks, group: asyncio.TaskGroup) -> None:
        while not self._draining:
            # Cleared before looking: what changes while we look is looked at in the next round.
            self._changed.clear()
            self._join_where_due(tasks, group)
            await self._changed.wait()
        for served in self._served.values():
            served.leave()

    def _join_where_due(self, tasks: OpenTasks, group: asyncio.TaskGroup) -> None:
        """Join sessions, but not many more than there is room for their tasks: those that are joined take turns, so
        that one with a long board does not keep the others waiting."""
        waiting = [each for each in tasks.sessions() if each not in self._served and each not in self._delayed]
        room = self._concurrency - sum(served.due for served in self._served.values()) if waiting else 0
        for session in waiting[: max(room, 0)]:
            if len(self._served) >= self._max_sessions:
                self._make_room()
                return
            agent = self._client.agent(
                self._name, session=session, about=self._about, lease=self._lease, beside=True, open=False
            )
            served = ServedSession(agent, self._handlers, self._slots, self._idle, self._task_lease, self._changed.set)
            self._served[session] = served
            group.create_task(self._serve_session(session, served, tasks), name=f"stenogram-worker-{session}")

    def _make_room(self) -> None:
        """Leave the session that has been idle for longest; its end brings us back here."""
        idle = {since: served for served in self._served.values() if (since := served.idle_since()) is not None}
        if idle:
            idle[min(idle)].leave()

    async def _serve_session(self, session: str, served: ServedSession, tasks: OpenTasks) -> None:
        try:
            await self._run_session(session, served, tasks)
        except* StenogramError as errors:
            self._on_refused(session, _only(errors), tasks)
        finally:
            del self._served[session]
            self._changed.set()

    async def _run_session(self, session: str, served: ServedSession, tasks: OpenTasks) -> None:
        await served.run()
        tasks.left(session, *served.known())
        if served.closed:
            tasks.refused(session)

    def _on_refused(self, session: str, error: BaseException, tasks: OpenTasks) -> None:
        """A session cannot be joined, or not be served any more."""
        if isinstance(error, Busy | NotReady):
            self._delayed.add(session)
            asyncio.get_running_loop().call_later(retry_after(error), self._retry, session)
            return
        tasks.refused(session)
        if not isinstance(error, SessionClosed):
            logger.warning("Session %s is not served: %s", session, error)

    def _retry(self, session: str) -> None:
        self._delayed.discard(session)
        self._changed.set()

    def _covers(self, session: str) -> bool:
        return any(session.startswith(each[:-1]) if each.endswith("*") else session == each for each in self._patterns)

    def _wants(self, input: Any) -> bool:
        return handler_of(self._handlers, input) is not None


def _only(error: BaseException) -> BaseException:
    """The error in a group of one, at any depth."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
