"""Where to resume in a session: a version, with the epoch of the log in which it is the session's.

A bare version means a place in any log. After a failover that lost events, or a restore, other events may have it; who
resumes from it would get the rest of another history, and not know. So the places that the gateway gives out to resume
from name the epoch, and are refused in another one. Bare versions are taken as well: they come from those who begin, or
have a version from an event.
"""

import re

from ...domain.errors import BadCursor

RESUME_POINT_PATTERN = r"^(end|[0-9]{1,18}|[0-9A-Za-z]+\.v[0-9]{1,18})$"
"""The `v` tells it from a cursor of the whole log, whose number is a position."""
_parts = re.compile(r"(?:([0-9A-Za-z]+)\.v)?([0-9]{1,18})").fullmatch


def write_resume_point(epoch: str, version: int) -> str:
    """The place behind a version."""
    return f"{epoch}.v{version}"


def read_resume_point(after: int | str, epoch: str) -> int | str:
    """The version that an `after` of a session means, or `end`. Raises BadCursor when it is no place in a session, or
    one in a log of another epoch."""
    place = str(after)
    if place == "end":
        return place
    found = _parts(place)
    if found is None:
        raise BadCursor(f"{after!r} is no place in a session; use a version, 'end', or what the gateway gave you.")
    if found[1] not in (None, epoch):
        raise BadCursor(
            f"{after!r} is a place in another log (this one's epoch is {epoch}); start from 0.", epoch=epoch
        )
    return int(found[2])
