"""Turns: what a run of a foreign protocol is here.

A run is a task that a person's words put on the board (`turn_requests`); it is over when the task is, or when an agent
that works on it waits for an answer. Whoever follows the session without a run of their own follows all runs under way,
or the session itself. All of it is read from the session's state.
"""

from typing import Literal, NamedTuple

from ...domain.audience import Viewer, including, visible
from ...domain.concepts.approvals import Approval
from ...domain.concepts.messages import Message
from ...domain.concepts.tasks import Task
from ...domain.ids import TaskId
from ...domain.state import State

RUN = "run."
"""What the ids of tasks begin with that are runs."""
MAX_RUN_CHARS = 128 - len(RUN)
NO = "no"
"""The option with which a question is declined."""


class Turn(NamedTuple):
    """What a stream follows until it is over: the run of a `task`; every run under way (`connected`); or the session,
    until it is closed. `run` is what its reader calls it."""

    run: str
    task: TaskId | None = None
    connected: bool = False


class Ending(NamedTuple):
    """How a turn ended: with the task as it is then, or with questions that wait for the reader."""

    outcome: Literal["success", "failed", "cancelled", "asks"]
    task: Task | None = None
    asked: tuple[Approval, ...] = ()


def task_of_run(run: str) -> TaskId:
    """The id of the task that is a run."""
    return f"{RUN}{run}"


def is_run(task: str | None) -> bool:
    """Whether a task is a run."""
    return task is not None and task.startswith(RUN)


def root_of(state: State, task: TaskId | None) -> TaskId | None:
    """The run that a task is a part of; where it is of none, the task itself."""
    known = state.tasks.known
    while task is not None and not is_run(task) and task in known and known[task].parent is not None:
        task = known[task].parent
    return task


def ending_of(state: State, turn: Turn, viewer: Viewer) -> Ending | None:
    """How the turn has ended for a viewer; None while it goes on."""
    if turn.task is not None:
        return _ending_of_task(state, turn.task, viewer)
    if not turn.connected:
        return Ending("success") if state.session.status == "closed" else None
    runs = [task for task in state.tasks.unfinished() if is_run(task.id) and visible(task.audience, viewer)]
    endings = [_ending_of_task(state, task.id, viewer) for task in runs]
    if None in endings:
        return None
    asked = tuple(approval for ending in endings if ending is not None for approval in ending.asked)
    return Ending("asks", asked=asked) if asked else Ending("success")


def _ending_of_task(state: State, id: TaskId, viewer: Viewer) -> Ending | None:
    task = state.tasks.known[id]
    if not task.unfinished:
        return Ending(OUTCOMES[task.status], task)
    if any(signal.kind == "cancel" for signal in state.signals.open_at(f"task:{id}")):
        return None  # it stops in a moment, and asks nothing any more
    asked = tuple(each for each in waiting_for(state, viewer) if root_of(state, each.task) == id)
    return Ending("asks", task, asked) if asked else None


OUTCOMES: dict[str, Literal["success", "failed", "cancelled"]] = {
    "completed": "success",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""How a turn ended, by the status of its task."""


def waiting_for(state: State, viewer: Viewer) -> list[Approval]:
    """The open questions that a viewer sees and may answer, in the order in which they were asked."""
    known = state.approvals.known
    asked = [known[id] for id in state.approvals.open]
    answerable = [each for each in asked if visible(each.audience, viewer) and visible(each.of, viewer)]
    return sorted(answerable, key=lambda each: each.since)


def open_messages(state: State, viewer: Viewer) -> list[Message]:
    """The messages that are being streamed, as far as the viewer sees them, in the order of their beginning."""
    found = [state.messages.known[id] for id in state.messages.open.of(None)]
    seen = [each for each in found if visible(including(each.audience, each.author), viewer)]
    return sorted(seen, key=lambda each: each.since)
