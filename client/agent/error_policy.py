"""What becomes of a task whose block raises an exception, and of the loop that the block runs in."""

import logging
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from ...domain.concepts.tasks import Task
from ..errors import MAX_REASON_CHARS, reason_of

OnError = Literal["release", "fail", "raise"]
"""What to do when the block of a task raises an exception: give the task back and go on, fail it for good and go on, or
give it back and raise."""
ErrorText = Callable[[BaseException], str]
"""What the record says of an exception. Everyone who may see the task reads it."""
MAX_ATTEMPTS = 3
logger = logging.getLogger("stenogram.client")


class TaskEnd(NamedTuple):
    """How a task that is still held when its block has ended is let go: back on the board, or failed for good."""

    kind: Literal["released", "failed"]
    reason: str


class ErrorPolicy(NamedTuple):
    """`max_attempts` bounds the attempts at a task that has no limit of its own; None: any number."""

    on_error: OnError = "release"
    max_attempts: int | None = MAX_ATTEMPTS
    text: ErrorText = reason_of

    def checked(self) -> "ErrorPolicy":
        """Itself. Raises ValueError for what cannot be meant."""
        if self.on_error not in get_args(OnError):
            raise ValueError(f"on_error is 'release', 'fail' or 'raise', not {self.on_error!r}.")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError(f"max_attempts is at least 1, or None for any number, not {self.max_attempts!r}.")
        return self

    def survives(self, error: BaseException | None) -> bool:
        """Whether the loop goes on after this. Ctrl-C and somebody's cancellation always end it."""
        return self.on_error != "raise" and isinstance(error, Exception)

    def end(self, task: Task, error: BaseException | None) -> TaskEnd:
        """How to let go of a task whose block has ended without having said how."""
        if error is None:
            return TaskEnd("released", "The block ended and had not said how.")
        reason = told_of(error, self.text)[:MAX_REASON_CHARS]
        if not self.survives(error):
            return TaskEnd("released", reason)
        if self.on_error == "fail":
            return TaskEnd("failed", reason)
        # A limit of the task's own is the gateway's to keep: it counts the attempts of all agents there.
        if task.policy.max_attempts is None and self.max_attempts is not None and task.tries >= self.max_attempts:
            return TaskEnd("failed", f"Attempt {task.tries} of {self.max_attempts} came to nothing: {reason}")
        return TaskEnd("released", reason)


def told_of(error: BaseException, text: ErrorText) -> str:
    """What the record says of an exception by `text`; the usual, where that says nothing or fails itself."""
    try:
        told = str(text(error))
    except Exception:
        logger.exception("An error_text has failed itself")
        told = ""
    # Half a surrogate pair cannot be sent, and what the error ends would stay open for it.
    return told.encode(errors="backslashreplace").decode() or reason_of(error)
