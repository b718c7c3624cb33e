"""Reading JSON from outside, bounded in depth. (Bytes are counted where they come in, and the parser has a bound of its
own, far beyond what is accepted here.)

What passes can be written again and reads back as it was: the parser makes floats of integers beyond 64 bits, and
refuses halves of surrogate pairs and numbers that are not finite.
"""

from typing import Any

import orjson

from ...domain.errors import Invalid, TooDeep
from ...domain.json.checks import deeper_than, is_nested_deeper
from ...domain.wording.json_faults import unreadable


def read_json(raw: bytes, depth: int) -> Any:
    """Parse UTF-8 JSON (RFC 8259). Raises Invalid, or TooDeep when it is nested more than `depth` deep."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if is_nested_deeper(raw, depth):  # which may be what the parser gave up at
            raise _too_deep(depth) from None
        raise Invalid(f"This is not JSON: {unreadable(error)}.") from None
    # With no more brackets than levels there is nothing to check. (Whether there are any is found quicker.)
    brackets = raw.count(b"{") + (raw.count(b"[") if b"[" in raw else 0)
    if brackets > depth and deeper_than(value, depth):
        raise _too_deep(depth)
    return value


def _too_deep(depth: int) -> TooDeep:
    return TooDeep(f"The JSON is nested more than {depth} deep.")
