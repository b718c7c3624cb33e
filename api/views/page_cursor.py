"""Places in a list of documents or rows, as opaque texts from which the next page goes on.

A place is the last row that was shown: the value by which the list is ordered, and its key. It never names a row that
the reader was not shown.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from pydantic import Field

from ...domain.errors import BadCursor
from ...domain.wording.patterns import pattern

MAX_CURSOR_CHARS = 4_096
CURSOR_PATTERN = pattern(r"^[A-Za-z0-9_-]*$", "the `next` of the page before")
PageCursor = Annotated[str, Field(pattern=CURSOR_PATTERN, max_length=MAX_CURSOR_CHARS)]


def write_cursor(order: str, place: Sequence[Any]) -> str:
    """The cursor of a place in a list of this order."""
    return urlsafe_b64encode(orjson.dumps([order, *place])).decode().rstrip("=")


def read_cursor(cursor: str, order: str) -> list[Any]:
    """The place again. Raises BadCursor."""
    try:
        said, *place = list(orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
    except (ValueError, TypeError):
        raise BadCursor("This `after` was not given by this gateway; use the `next` of a page.") from None
    if said != order or not place or any(isinstance(each, list | dict) for each in place):
        raise BadCursor("This `after` is of another list; use the `next` of a page with the same order.")
    return place
