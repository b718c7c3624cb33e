"""What an application says of a message, a tool call or a task besides: what it took, and what it keeps with it."""

from typing import Any

import orjson
from pydantic import JsonValue

from ..errors import TooLarge
from ..parts import Short

MAX_REPORT_BYTES = 16_384
Usage = dict[Short, JsonValue]
"""What something took: numbers by name (tokens, cost), and `model`. The view `usage` adds them up."""
Metadata = dict[Short, JsonValue]
"""The application's own: ids of another system, a stop reason, a branch."""


def refuse_large(command: Any) -> None:
    """Raise TooLarge when a command has more `usage` or `metadata` than is kept with one event."""
    for name in ("usage", "metadata"):
        said = getattr(command, name, None)
        if said is not None and len(orjson.dumps(said)) > MAX_REPORT_BYTES:
            raise TooLarge(f"`{name}` has at most {MAX_REPORT_BYTES:,} bytes as JSON; keep more in the shared state.")
