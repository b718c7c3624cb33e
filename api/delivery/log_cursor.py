"""The cursor of the whole log, and the only module that knows what is inside one.

Everybody else, our own client, command line and tests among them, hands on what the gateway gave them: a log of several
partitions will need a place in each of them, and must not find that somebody has taken a cursor for a number.
"""

import re

from ...domain.errors import BadCursor
from ...domain.ids import Position

CURSOR_PATTERN = r"^[0-9A-Za-z._~-]{1,200}$"
"""What a cursor may be made of, so that it needs no escaping in JSON, in an address, or as the id of an SSE block. `0`
and `end`, which mean the beginning and the present end, are no cursors, but match."""
_is_cursor = re.compile(CURSOR_PATTERN).fullmatch


def write_cursor(epoch: str, position: int) -> str:
    """The cursor of a position in the log of this epoch."""
    return _pack(epoch, position)


def read_cursor(after: int | str, epoch: str) -> int | str:
    """The position that an `after` of the whole log means: 0, `end`, or a cursor's. Raises BadCursor when it is none of
    them, or of a log of another epoch."""
    place = str(after)
    if place == "end":
        return place
    if place == "0":
        return 0
    found = _unpack(place) if _is_cursor(place) else None
    if found is None:
        raise BadCursor(f"{after!r} is no cursor of a log; use 0, 'end', or one that the gateway gave you.")
    if found[0] != epoch:
        raise BadCursor(
            f"{after!r} is a place in another log (this one's epoch is {epoch}); start from 0.", epoch=epoch
        )
    return found[1]


def _pack(epoch: str, position: int) -> str:
    return f"{epoch}.{position}"


def _unpack(cursor: str) -> tuple[str, Position] | None:
    found = re.fullmatch(r"([0-9A-Za-z]+)\.([0-9]{1,18})", cursor)
    return found and (found[1], Position(int(found[2])))
