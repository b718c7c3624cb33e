"""What a worker does with the tasks of a kind."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple

from ..agent.agent import Agent
from ..agent.claimed_task import ClaimedTask
from ..agent.error_policy import ErrorPolicy

Work = Callable[[Agent, ClaimedTask], Awaitable[Any]]
"""Works on a task, in its block; what it returns is the task's output."""
WorkErrors = Literal["release", "fail"]
"""What to do when it raises an exception: give the task back for another attempt, or fail it for good."""


class Handler(NamedTuple):
    """A function for the tasks of a kind, and what its errors lead to."""

    work: Work
    errors: ErrorPolicy


def handler_of(handlers: Mapping[str, Handler], input: Any) -> Handler | None:
    """The handler of a task with this input: by the `kind` that it names."""
    kind = input.get("kind") if isinstance(input, dict) else None
    return handlers.get(kind) if isinstance(kind, str) else None
