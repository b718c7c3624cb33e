"""Whom something is for, as callers say it."""

from collections.abc import Sequence

To = str | Sequence[str]
"""`users`, `agents`, a participant's id, or several of these."""


def names(to: To | None) -> list[str] | None:
    """An audience as it is sent; everyone when absent."""
    if to is None:
        return None
    return [to] if isinstance(to, str) else list(to)
