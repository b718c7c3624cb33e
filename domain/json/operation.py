"""The operations of a JSON Patch (RFC 6902), as they come in."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from ..wording.patterns import pattern
from .explained import Explained

_POINTER = pattern(r"^(/([^~/]|~[01])*)*$", "a JSON pointer, such as /hotel/name")
Pointer = Annotated[str, StringConstraints(max_length=1_000, pattern=_POINTER)]


class Operation(Explained):
    """One operation of a JSON Patch, its members as RFC 6902 names them. Other members are passed over, as it says."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True, allow_inf_nan=False)

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    """What to do."""
    path: Pointer
    """Where."""
    from_: Annotated[Pointer | None, Field(alias="from")] = None
    """Where from: for `move` and `copy`."""
    value: JsonValue = None
    """For `add`, `replace` and `test`."""

    def plain(self) -> dict[str, Any]:
        """The operation as it was sent: a `value` of null stays, an absent one stays absent."""
        return self.model_dump(by_alias=True, exclude_unset=True)
