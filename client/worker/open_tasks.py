"""The tasks of all sessions that a worker may want to claim, as far as is known without following the sessions.

It is a hint, not the board: what can be claimed is decided in the session. A hint too many costs joining a session for
nothing; so each task is looked at again only when an event of its session says that something has changed.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from ...domain.concepts.tasks import (
    Task,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskReleased,
)
from ...domain.ids import SessionId, TaskId
from ...domain.model import Event

TYPES = (
    "session.reopened",
    "task.created",
    "task.claimed",
    "task.completed",
    "task.failed",
    "task.released",
    "task.cancelled",
    "task.ready",
)
Hint = Literal["open", "held", "waiting"]
"""`held`: by somebody, or for somebody else alone. `waiting`: it is open and cannot be claimed, until something happens
in the session."""


class OpenTasks:
    """`wants` says whether a task with this input is wanted, `covers` whether a session is served, `me` is who claims.
    What is kept is bounded by the number of wanted tasks that have not ended."""

    def __init__(self, me: str, covers: Callable[[str], bool], wants: Callable[[Any], bool]) -> None:
        self._me = me
        self._covers = covers
        self._wants = wants
        self._sessions: dict[SessionId, dict[TaskId, Hint]] = {}
        self._versions: dict[SessionId, int] = {}
        self._refused: set[SessionId] = set()

    def sessions(self) -> list[SessionId]:
        """Those in which a task may be claimed; those that were left last come last."""
        return [
            session
            for session, tasks in self._sessions.items()
            if session not in self._refused and "open" in tasks.values()
        ]

    def listed(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of the view `tasks`. They may be older than what events have said: what is known stays as it is."""
        for row in rows:
            if self._covers(row["session"]) and self._wants(row.get("input")):
                hint = self._free(row.get("assignee")) if row["status"] == "open" else "held"
                self._sessions.setdefault(row["session"], {}).setdefault(row["task"], hint)

    def on_event(self, event: Event) -> None:
        """An event of one of the `TYPES`."""
        session = event.session
        if not self._covers(session):
            return
        self._refused.discard(session)
        tasks = self._sessions.setdefault(session, {})
        # Anything may be what a task has waited for: a need is completed, an assignment ends, the session goes on.
        tasks.update({id: "open" for id, hint in tasks.items() if hint == "waiting"})
        self._apply(tasks, event)
        if tasks:
            self._versions[session] = event.version
        else:
            self._forget(session)

    def left(self, session: SessionId, version: int, known: Mapping[TaskId, Task], claimable: Iterable[TaskId]) -> None:
        """A session was left, and these are its tasks as of a version. It goes to the end of the queue."""
        tasks, can = self._sessions.pop(session, {}), set(claimable)
        if self._versions.get(session, 0) <= version:
            # Otherwise events have told more than the session knew when it was left: what they have said holds.
            tasks = {id: _hint(known[id], id in can) for id in {*tasks, *can} if id in known and known[id].unfinished}
        if tasks:
            self._sessions[session] = tasks
        else:
            self._forget(session)

    def refused(self, session: SessionId) -> None:
        """It cannot be joined: closed, or not for this agent. It is passed over until something happens in it."""
        self._refused.add(session)

    def _apply(self, tasks: dict[TaskId, Hint], event: Event) -> None:
        match event.data:
            case TaskCreated() as data:
                if self._wants(data.input):
                    tasks[data.task] = self._free(data.assignee)
            case TaskReleased() as data:
                # Of a task that is unknown, only a new input tells what it is about.
                if data.task in tasks or (data.input is not None and self._wants(data.input)):
                    tasks[data.task] = self._free(data.assignee)
            case TaskFailed(retryable=True) as data if data.task in tasks:
                tasks[data.task] = "open"
            case TaskClaimed() as data if data.task in tasks:
                tasks[data.task] = "held"
            case TaskCompleted() | TaskFailed() | TaskCancelled() as data:
                tasks.pop(data.task, None)

    def _free(self, assignee: str | None) -> Hint:
        return "open" if assignee in (None, self._me) else "held"

    def _forget(self, session: SessionId) -> None:
        self._sessions.pop(session, None)
        self._versions.pop(session, None)


def _hint(task: Task, claimable: bool) -> Hint:
    if task.status == "claimed":
        return "held"
    return "open" if claimable else "waiting"
