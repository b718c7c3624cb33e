"""JSON from outside, checked before anything else looks at it.

What passes can be written as JSON, and reads back as it was: no integer beyond 64 bits (readers would round it), no
half of a surrogate pair (not UTF-8), nothing nested so deeply that a reader would give up. That numbers are finite is
left to the models, which refuse NaN and infinity.
"""

from array import array
from itertools import accumulate
from typing import Any

import orjson

from ..errors import Invalid, TooDeep
from ..wording.json_faults import unwritable

MAX_DEPTH = 100
_CONTAINERS = (dict, list)  # a union takes longer
_NOT_BRACKETS = bytes(each for each in range(256) if each not in b"[]{}")
_STEP = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def refuse_unwritable(value: Any) -> None:
    """Raise TooDeep or Invalid unless `value` can be written as JSON and read back equal."""
    try:
        written = orjson.dumps(value)
    except TypeError as failure:
        _refuse_deep(value)
        raise Invalid(f"This cannot be kept as JSON: {unwritable(failure)}.") from None
    # With no more brackets than levels there is nothing to look for: that spares most requests the walk.
    if written.count(b"{") + written.count(b"[") > MAX_DEPTH:
        _refuse_deep(value)


def deeper_than(value: Any, levels: int) -> bool:
    """Whether arrays and objects are nested more than `levels` deep in `value`."""
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(levels):
        if not level:
            return False
        inside = [each.values() if isinstance(each, dict) else each for each in level]
        level = [inner for values in inside for inner in values if isinstance(inner, _CONTAINERS)]
    return bool(level)


def is_nested_deeper(raw: bytes, depth: int) -> bool:
    """Whether brackets outside of strings are nested more than `depth` deep. Works on the whole at once, since it runs
    on the loop: a pattern for strings took a quarter of a second for one of a megabyte."""
    if raw.count(b"{") + raw.count(b"[") <= depth:
        return False
    outside = raw.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    steps = array("b", b"".join(outside).translate(_STEP, _NOT_BRACKETS))
    return max(accumulate(steps), default=0) > depth


def _refuse_deep(value: Any) -> None:
    if deeper_than(value, MAX_DEPTH):
        raise TooDeep(f"This is nested more than {MAX_DEPTH} deep.")
