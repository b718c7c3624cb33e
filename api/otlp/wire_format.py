"""The wire format of protocol buffers, as far as it takes to read OTLP: fields by their numbers.

Unknown fields are passed over. What is cut off, or has a field of another wire type than the schema says, is refused.
"""

import math
import struct
from collections.abc import Iterator

VARINT, I64, LEN, I32 = 0, 1, 2, 5
Field = tuple[int, int, int | memoryview]
"""Number, wire type and value: an integer (I64 and I32 as they are, without their sign) or bytes."""


def fields(data: memoryview) -> Iterator[Field]:
    """The fields of a message, in order. Raises ValueError."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == LEN:
            size, at = _varint(data, at)
            if at + size > end:
                raise ValueError("a field goes beyond the end of its message")
            yield number, wire, data[at : at + size]
            at += size
        elif wire == VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
        elif wire in (I64, I32):
            size = 8 if wire == I64 else 4
            if at + size > end:
                raise ValueError("a number goes beyond the end of its message")
            yield number, wire, int.from_bytes(data[at : at + size], "little")
            at += size
        else:
            raise ValueError(f"there is no wire type {wire}")


def message(value: int | memoryview) -> memoryview:
    """The bytes of a field that has some. Raises ValueError."""
    if isinstance(value, int):
        raise ValueError("a field is a number that has to be a message")
    return value


def number(value: int | memoryview) -> int:
    """The number of a field that is one. Raises ValueError."""
    if not isinstance(value, int):
        raise ValueError("a field is a message that has to be a number")
    return value


def text(value: int | memoryview) -> str:
    """The text of a field. Raises ValueError where it is none, or no UTF-8."""
    try:
        return str(message(value), "utf-8")
    except UnicodeDecodeError:
        raise ValueError("a text is no UTF-8") from None


def double(value: int | memoryview) -> float | str:
    """The number of a field of wire type I64; one that is not finite as a text, as JSON has it."""
    found = float(struct.unpack("<d", (number(value) & (1 << 64) - 1).to_bytes(8, "little"))[0])
    return found if math.isfinite(found) else str(found)


def signed(value: int | memoryview) -> int:
    """An int64 of wire type VARINT."""
    found = number(value)
    return found - (1 << 64) if found >= 1 << 63 else found


def write_field(field: int, value: int | bytes) -> bytes:
    """A field of an answer: a number or bytes."""
    if isinstance(value, int):
        return _written(field << 3 | VARINT) + _written(value)
    return _written(field << 3 | LEN) + _written(len(value)) + value


def _written(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
    raise ValueError("a number is not written to its end")
