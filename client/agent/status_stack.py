"""What an agent says that it is doing: the status that others see, kept honest by blocks.

Statuses are a stack: a block puts one on top and takes it away at its end, whatever happened in it, and what shows is
the topmost of those that are left. Blocks may overlap, as those of tasks side by side do.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ...domain.concepts.presence import Status
from ...domain.errors import StenogramError
from ..session_port import SessionPort
from ..transport.command_queue import unawaited

Until = datetime | float
"""A moment, with its time zone; or seconds from now."""
MAX_ACTIVITY_CHARS = 200


class StatusStack:
    """At the bottom of the stack is what was said last outside any block: at first `idle`."""

    def __init__(self, session: SessionPort) -> None:
        self._session = session
        self._base: dict[str, Any] = {"status": "idle"}
        self._blocks: list[dict[str, Any]] = []

    async def say(self, status: Status, activity: str | None = None) -> None:
        """Change what shows now: the topmost status."""
        said = _said(status, activity, None)
        if self._blocks:
            self._blocks[-1].clear()
            self._blocks[-1].update(said)
        else:
            self._base = said
        await self._session.unless_known("presence.status", said)

    @contextmanager
    def during(self, status: Status, activity: str | None, until: Until | None = None) -> Iterator[None]:
        """A status for the time of a block."""
        said = _said(status, activity, until)
        self._blocks.append(said)
        self.report()
        try:
            yield
        finally:
            self._blocks = [each for each in self._blocks if each is not said]
            self.report()

    def report(self) -> None:
        """Send what shows now. It goes out before all that is sent afterwards, and is not waited for."""
        said = dict(self._blocks[-1] if self._blocks else self._base)
        with suppress(StenogramError):  # the client is closed
            unawaited(self._session.commands.submit(self._session.id, "presence.status", said))


def _said(status: Status, activity: str | None, until: Until | None) -> dict[str, Any]:
    said: dict[str, Any] = {"status": status}
    if activity is not None:
        said["activity"] = activity[:MAX_ACTIVITY_CHARS]
    if until is not None:
        moment = until if isinstance(until, datetime) else datetime.now(UTC) + timedelta(seconds=until)
        said["until"] = moment.isoformat()
    return said
