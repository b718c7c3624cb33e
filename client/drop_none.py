"""Optional members of what is sent: those that were not given are left out."""

from typing import Any


def drop_none(**members: Any) -> dict[str, Any]:
    """The members that were given."""
    return {name: value for name, value in members.items() if value is not None}
