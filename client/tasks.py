"""The tasks of a session: created, looked at, waited for, rerouted, cancelled."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from ..domain.concepts.floor import FloorWithheld
from ..domain.concepts.tasks import (
    OnNeedFailed,
    OnStall,
    Task,
    TaskBlocked,
    TaskCancelled,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
)
from ..domain.ids import TaskId, Version, new_id
from .arguments import To, drop_none, names
from .errors import NotDone
from .session_port import SessionPort


class TaskOptions(TypedDict, total=False):
    """What is to become of a task when things go wrong; see `task.create` in the reference of commands. Seconds, where
    it is a time."""

    assignee_timeout: float | None
    max_attempts: int | None
    backoff: float | None
    backoff_coefficient: float | None
    backoff_max: float | None
    deadline: float | None
    on_need_failed: OnNeedFailed | None
    stall_after: float | None
    on_stall: OnStall | None


class TaskBoard:
    """The tasks of a session (`session.tasks`), for anyone in it, on any device; agents claim them by `Agent.tasks`."""

    def __init__(self, session: SessionPort) -> None:
        self._session = session

    @property
    def known(self) -> Mapping[TaskId, Task]:
        """Every task of the session, by id, as it is now."""
        return self._session.live.state.tasks.known

    async def create(  # noqa: PLR0913  (keywords, few of which are used at once)
        self,
        title: str,
        input: Any = None,
        *,
        to: To | None = None,
        parent: str | None = None,
        needs: Sequence[str] = (),
        dedupe_key: str | None = None,
        assignee: str | None = None,
        priority: int = 0,
        task: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> str:
        """Put a task on the board; its id. It can be claimed once all that it `needs` is completed. Agents claim by
        `priority`, then by age. With a `dedupe_key` that another task of the session has, it is that one's id, and
        nothing is created, unless that one has failed or was cancelled. `to` is who may see it and all that becomes of
        it."""
        task = task or new_id()
        more: dict[str, Any] = drop_none(
            parent=parent,
            dedupe_key=dedupe_key,
            assignee=assignee,
            audience=names(to),
            metadata=metadata,
            **options,
        )
        if "deadline" in more:
            more["within"] = more.pop("deadline")
        what = {"task": task, "title": title, "input": input, "needs": list(needs), "priority": priority, **more}
        ack = await self._session.do("task.create", what)
        if ack.repeated:
            return await self._created(ack.versions[0])
        if self._session.followed:
            await self._session.live.reached(ack.versions[0])
        return task

    async def reroute(
        self,
        task: str,
        *,
        to: str | None = None,
        input: Any = None,
        needs: Sequence[str] | None = None,
        reason: str | None = None,
    ) -> None:
        """Take a task from its holder, at once, and put it back on the board: for `to`, or for anyone; with a new
        `input`, or the same; needing other tasks, or the same. One that is blocked goes on when it needs others.
        (`signals.reroute` leaves the holder time to stop in good order.)"""
        needed = None if needs is None else list(needs)
        data = drop_none(task=task, to=to, input=input, needs=needed, reason=reason)
        await self._session.unless_known("task.reroute", data)

    async def cancel(self, task: str, *, reason: str | None = None) -> None:
        """End a task and its parts, at once. (`signals.cancel` leaves time to stop in good order.)"""
        await self._session.do("task.cancel", drop_none(task=task, reason=reason))

    async def result(self, task: str) -> Any:
        """Wait until a task is completed; its output. Raises NotDone when it failed or was cancelled, or when it is
        blocked: what it needs failed or was cancelled, and nobody has let it need something else."""
        types = ("task.completed", "task.failed", "task.cancelled", "task.blocked", "floor.withheld")
        withheld: Any = None
        async with self._session.events(types=types) as events:
            async for event in events:
                match event.data:
                    case FloorWithheld(of="task.completed", about=about, said=said) if about == f"task:{task}":
                        withheld = said["output"]
                    case TaskCompleted(task=id, output=output) if id == task:
                        return withheld if output is None else output
                    case TaskFailed(task=id, error=error, retryable=False) if id == task:
                        raise NotDone(f"Task {task!r} failed: {error}", task=task, status_now="failed")
                    case TaskBlocked(task=id, need=need) if id == task:
                        why = f"Task {task!r} is blocked: it needs {need!r}, which failed or was cancelled."
                        raise NotDone(why, task=task, status_now="blocked", need=need)
                    case TaskCancelled(task=id, reason=reason) if id == task:
                        why = "" if reason is None else f": {reason}"
                        raise NotDone(f"Task {task!r} was cancelled{why}", task=task, status_now="cancelled")
        raise NotDone(f"Task {task!r} was not finished before the client was closed.", task=task)

    async def _created(self, version: Version) -> str:
        created = await anext(self._session.events(version - 1, types=["task.created"], follow=False))
        assert isinstance(created.data, TaskCreated)
        return created.data.task
