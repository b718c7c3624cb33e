"""Reading JSON from outside, bounded in depth. (Bytes are counted where they come in, and the parser has a bound of its
own, far beyond what is accepted here.)

What passes can be written again and reads back as it was: the parser makes floats of integers beyond 64 bits, and
refuses halves of surrogate pairs and numbers that are not finite.
"""

from array import array
from itertools import accumulate
from typing import Any

import orjson

from ...domain.errors import Invalid, TooDeep
from ...domain.json.checks import deeper_than

_NOT_BRACKETS = bytes(each for each in range(256) if each not in b"[]{}")
_STEP = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def read_json(raw: bytes, depth: int) -> Any:
    """Parse UTF-8 JSON (RFC 8259). Raises Invalid, or TooDeep when it is nested more than `depth` deep."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if is_nested_deeper(raw, depth):  # which may be what the parser gave up at
            raise _too_deep(depth) from None
        raise Invalid(f"This is not JSON: {error}.") from None
    # With no more brackets than levels there is nothing to check. (Whether there are any is found quicker.)
    brackets = raw.count(b"{") + (raw.count(b"[") if b"[" in raw else 0)
    if brackets > depth and deeper_than(value, depth):
        raise _too_deep(depth)
    return value


def is_nested_deeper(raw: bytes, depth: int) -> bool:
    """Whether brackets outside of strings are nested more than `depth` deep. Works on the whole at once, since it runs
    on the loop: a pattern for strings took a quarter of a second for one of a megabyte."""
    outside = raw.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    steps = array("b", b"".join(outside).translate(_STEP, _NOT_BRACKETS))
    return max(accumulate(steps), default=0) > depth


def _too_deep(depth: int) -> TooDeep:
    return TooDeep(f"The JSON is nested more than {depth} deep.")
