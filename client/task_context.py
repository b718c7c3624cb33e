"""The task under which a block of code works.

Within `async with task:` everything that is written to the task's session by the same client names the task and its
attempt, so that the gateway can refuse it once the attempt is over. It is a context variable: what the block calls, and
the asyncio tasks that it starts, work under the same task; others do not.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..domain.ids import TaskId
from .transport.command_queue import CommandQueue


class TaskContext:
    """One claim of a task. `ended` once its holder has said how: what follows is not done under it any more. (But when
    it was taken away, what still names it is refused, and that is wanted.) `checkpoint` waits while the task is
    paused; what is written under it passes it first. `cause` is the event by which it was claimed, `members` are those
    of a command's frame that is done under it."""

    def __init__(
        self,
        commands: CommandQueue,
        session: str,
        task: TaskId,
        attempt: int,
        checkpoint: Callable[[], Awaitable[None]],
        cause: str | None,
    ) -> None:
        self.ended = False
        self.checkpoint = checkpoint
        self.target = f"task:{task}"
        self.cause = cause
        self.members: dict[str, Any] = {"under": {"task": task, "attempt": attempt}, "cause": cause}
        self._where = (commands, session)

    def covers(self, commands: CommandQueue, session: str) -> bool:
        """Whether what this client writes to this session is a part of the task."""
        return not self.ended and self._where == (commands, session)


_CURRENT: ContextVar[TaskContext | None] = ContextVar("stenogram_task", default=None)


@contextmanager
def task_context(claim: TaskContext) -> Iterator[None]:
    """The block works under this claim."""
    token = _CURRENT.set(claim)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_task(commands: CommandQueue, session: str) -> TaskContext | None:
    """The task under which something is written to a session now."""
    found = _CURRENT.get()
    return found if found is not None and found.covers(commands, session) else None
