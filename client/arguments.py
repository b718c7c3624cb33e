"""What callers say, as it is sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..domain.model import EventData

To = str | Sequence[str]
"""An audience: `users`, `agents`, a participant's id, or several of these."""


def names(to: To | None) -> list[str] | None:
    """An audience as a list of names; None, which is everyone, stays None."""
    if to is None:
        return None
    return [to] if isinstance(to, str) else list(to)


def drop_none(**members: Any) -> dict[str, Any]:
    """The members that are not None: what a caller left out is not sent."""
    return {name: value for name, value in members.items() if value is not None}


def custom_record(
    type: str | EventData, data: Mapping[str, Any] | None, about: str | None, to: To | None
) -> dict[str, Any]:
    """The data of `custom.record`, of a type and its data, or of an instance of its model."""
    if isinstance(type, EventData):
        data = type.model_dump(mode="json", exclude_none=True)
        type = type.type
    return {"type": type, "data": data or {}, **drop_none(about=about, audience=names(to))}
