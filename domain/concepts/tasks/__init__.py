"""Tasks: units of work that exactly one participant holds at a time.

    created → claimed → completed | failed | cancelled
       ↑         ↓
       └─ released, or failed and retryable: back on the board

Each claim gets the next `attempt`. It is the fencing token: everything that is done under a task names it, and once the
attempt is over, a command that names it is refused (`fence`).
"""

from .board import EMPTY, MAX_STEERED_BYTES, MAX_STEERS, Task, TaskPolicy, Tasks
from .commands import (
    CancelTask,
    ClaimTask,
    CompleteTask,
    CreateTask,
    ExpireLease,
    FailTask,
    HolderCommand,
    ProgressTask,
    ReadyTask,
    ReleaseTask,
    RerouteTask,
    TimeOutTask,
    UnassignTask,
)
from .events import (
    LEASE,
    Failure,
    Note,
    Release,
    Share,
    TaskBlocked,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskProgressed,
    TaskReady,
    TaskReleased,
    TaskSteered,
)
from .fold import evolve
from .rules import DEAD, decide, fence, given_back
from .spec import STALL_AFTER, OnNeedFailed, OnStall, TaskSpec
from .timers import deadlines

__all__ = [
    "DEAD",
    "EMPTY",
    "LEASE",
    "MAX_STEERED_BYTES",
    "MAX_STEERS",
    "STALL_AFTER",
    "CancelTask",
    "ClaimTask",
    "CompleteTask",
    "CreateTask",
    "ExpireLease",
    "FailTask",
    "Failure",
    "HolderCommand",
    "Note",
    "OnNeedFailed",
    "OnStall",
    "ProgressTask",
    "ReadyTask",
    "Release",
    "ReleaseTask",
    "RerouteTask",
    "Share",
    "Task",
    "TaskBlocked",
    "TaskCancelled",
    "TaskClaimed",
    "TaskCompleted",
    "TaskCreated",
    "TaskFailed",
    "TaskFenced",
    "TaskPolicy",
    "TaskProgressed",
    "TaskReady",
    "TaskReleased",
    "TaskSpec",
    "TaskSteered",
    "Tasks",
    "TimeOutTask",
    "UnassignTask",
    "deadlines",
    "decide",
    "evolve",
    "fence",
    "given_back",
]
