"""Offsets: places in a stream as clients have them.

An offset is a place in sixteen digits and the log's epoch, so that offsets of one log sort as they follow each other,
and one of another log is refused. Places that the native routes gave, and bare numbers, are taken as well.
"""

import re
from typing import Final, Literal

from ...domain.errors import BadCursor, Invalid
from ..delivery.resume_point import read_resume_point

START: Final = "-1"
NOW: Final = "now"
ZEROS = "0" * 16
OFFSET_PATTERN = r"^(-1|now|[0-9]{1,18}|[0-9]{16}_[0-9A-Za-z]+|[0-9A-Za-z]+\.v[0-9]{1,18})$"
_parts = re.compile(r"([0-9]{16})_([0-9A-Za-z]+)").fullmatch


def write_offset(place: int, epoch: str) -> str:
    """The offset of a place."""
    return f"{place:016d}_{epoch}"


def read_offset(offset: str, epoch: str) -> int | Literal["now"]:
    """The place that a client means: 0 or less is the start. Raises Invalid."""
    if offset == NOW:
        return NOW
    if offset == START:
        return 0
    found = _parts(offset)
    if found is not None:
        if found[2] != epoch and found[1] != ZEROS:  # the start is the same in each log
            raise Invalid(f"This offset is of another log (this one's epoch is {epoch}); start from -1.", epoch=epoch)
        return int(found[1])
    try:
        place = read_resume_point(offset, epoch)
    except BadCursor as error:
        raise Invalid(error.detail, **error.extra) from None
    if isinstance(place, str):
        raise Invalid("Say `now` for the end of a stream.")
    return place
