"""Reading JSON from outside: bounded in size and depth before anything is built from it."""

import re
from array import array
from itertools import accumulate
from typing import Any

import orjson

from ..domain.errors import Invalid, TooDeep

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_NOT_BRACKETS = bytes(each for each in range(256) if each not in b"[]{}")
_STEP = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def read_json(raw: bytes, depth: int) -> Any:
    """Parse UTF-8 JSON (RFC 8259). Raises Invalid, or TooDeep when it is nested more than `depth` deep."""
    if raw.count(b"[") + raw.count(b"{") > depth and is_deeper(raw, depth):
        raise TooDeep(f"The JSON is nested more than {depth} deep.")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"This is not JSON: {error}.") from None


def is_deeper(raw: bytes, depth: int) -> bool:
    """Whether brackets outside of strings are nested more than `depth` deep."""
    steps = array("b", _STRING.sub(b"", raw).translate(_STEP, _NOT_BRACKETS))
    return max(accumulate(steps), default=0) > depth
