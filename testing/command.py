"""Words for tests: a command in one line."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from ..domain.commands import parse_command
from ..domain.ids import SessionId
from ..domain.model import Actor, Command, Kind

START = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = count(1)


def command(
    do: str,
    session: SessionId = "s-1",
    /,
    *,
    by: str = "hotels",
    kind: Kind = "agent",
    id: str | None = None,
    **data: Any,
) -> Command:
    """A command as a gateway would make it of a frame; without an id it gets one of its own.

    Raises what a gateway refuses: UnknownCommand, Invalid.
    """
    return Command(id or f"c-{next(_numbers)}", session, Actor(by, kind), START, parse_command(do, data))
