"""What a pause holds back: what is written under a task while the task, its holder or the session is paused.

A pause is in force from the moment it is raised, whether or not it has been answered, until it is resumed. Under a task
is what names it, and what goes on with a message that was begun under it. What ends work, rather than
goes on with it, is not held back: giving a task back, failing it, aborting a message, taking a question back, answering
signals, presence. Nor is what a tool has put out and returned, since that has happened.
"""

from ..concepts.approvals import WithdrawApproval
from ..concepts.messages import AbortMessage
from ..concepts.signals import SESSION
from ..concepts.tasks import FailTask, HolderCommand, ReleaseTask
from ..concepts.tools import ReturnTool, StreamOutput
from ..errors import Paused
from ..model import Command
from ..state import State

RETRY_AFTER_S = 1.0
_NOT_HELD = (ReleaseTask, FailTask, AbortMessage, StreamOutput, ReturnTool, WithdrawApproval)


def refuse_paused(state: State, command: Command) -> None:
    """Raise Paused when the command goes on with a task of its actor's that is paused."""
    if isinstance(command.data, _NOT_HELD) or command.data.concept in ("presence", "signals"):
        return
    task = state.tasks.known.get(_task_of(state, command) or "")
    if task is None or task.owner != command.actor.id:
        return
    for target in (f"task:{task.id}", f"agent:{task.owner}", SESSION):
        signal = state.signals.paused.get(target)
        if signal is not None:
            raise Paused(
                f"Task {task.id!r} is paused, by signal {signal!r} at {target!r}; go on when that is resumed.",
                signal=signal,
                target=target,
                retry_after=RETRY_AFTER_S,
            )


def _task_of(state: State, command: Command) -> str | None:
    """The task that a command goes on with."""
    data = command.data
    if command.task is not None:
        return command.task
    if isinstance(data, HolderCommand):
        return data.task
    message = state.messages.known.get(getattr(data, "message", None) or "")
    return None if message is None else message.task
