"""What callers say, as it is sent."""

from collections.abc import Sequence
from typing import Any

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
