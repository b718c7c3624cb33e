"""What the handles of a session (its tasks, signals, state, messages, tools …) and agents need of it.

The session makes its handles, so they cannot import it; they know it by this protocol.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .membership.live_session import LiveSession
from .task_context import TaskContext
from .transport.command_queue import Ack, CommandQueue
from .transport.event_stream import EventStream


class SessionPort(Protocol):
    """A session, as `Session` is one."""

    id: str

    @property
    def commands(self) -> CommandQueue:
        """The way to the gateway."""

    @property
    def followed(self) -> bool:
        """Whether `live` is there."""

    @property
    def live(self) -> LiveSession:
        """The session as it is folded here."""

    @property
    def run(self) -> str:
        """Which run of the participant this client is."""

    @property
    def current_task(self) -> TaskContext | None:
        """The task under which the running code writes to the session."""

    async def do(self, do: str, data: Mapping[str, Any], *, id: str | None = None, cause: str | None = None) -> Ack:
        """Have a command done, under the current task; `id` makes it repeatable, and `cause` is the event or command
        that it follows from."""

    async def unless_known(self, do: str, data: Mapping[str, Any]) -> None:
        """Have a command done, unless it would change nothing."""

    def show_progress(self, task: str) -> None:
        """Let a heartbeat say that the work on a task goes on."""

    def events(self, after: int = 0, *, types: Sequence[str] | None = None, follow: bool = True) -> EventStream:
        """The session's events after a version."""
