"""Choosing events: by type, and without token streams."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from ...domain.model import Event

STREAMED = ("message.started", "message.delta", "tool.output")


class EventChoice(NamedTuple):
    """Which events to show. No types means every type; `folded` leaves out what streams: the event that ends a
    message or a call tells the whole of it."""

    types: tuple[str, ...] = ()
    folded: bool = False

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.types and not self.folded

    def wants(self, event: "Event") -> bool:
        """Whether to show this event."""
        if self.folded and event.type in STREAMED:
            return False
        return not self.types or any(_matches(event.type, pattern) for pattern in self.types)


def _matches(type: str, pattern: str) -> bool:
    return type.startswith(pattern[:-1]) if pattern.endswith("*") else type == pattern


_types = click.option(
    "--types",
    metavar="TYPE,…",
    default="",
    help="Only events of these types; message.* covers a family.",
    callback=lambda _, __, value: tuple(part.strip() for part in value.split(",") if part.strip()),
)
_folded = click.option(
    "--folded",
    is_flag=True,
    help="Leave token streams out; messages and outputs of tools come whole when they are finished.",
)


def event_choice_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of a command that shows events; the command gets them as one `choice`."""

    @_types
    @_folded
    @wraps(command)
    def with_choice(*args: Any, types: tuple[str, ...], folded: bool, **kwargs: Any) -> Any:
        return command(*args, choice=EventChoice(types, folded), **kwargs)

    return with_choice
