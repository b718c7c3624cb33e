"""Columns of a batch as PostgreSQL's binary arrays.

psycopg sends a list element by element, and chooses the type by what the list holds: an integer's by its size. Here
each column says its type, so that a statement is prepared once, and is packed in one go.
Format: https://www.postgresql.org/docs/current/protocol-overview.html (binary), as `array_send` writes it.
"""

from functools import lru_cache
from struct import Struct, pack

from psycopg import adapters
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

_NULL = b"\xff\xff\xff\xff"  # the length -1
_size = Struct(">i").pack


class Ints(list[int]):
    """A `bigint[]`."""


class Texts(list[str | None]):
    """A `text[]`."""


class Blobs(list[bytes]):
    """A `bytea[]`."""


class _IntsDumper(Dumper):
    format = Format.BINARY
    oid = 1016

    def dump(self, obj: Ints) -> Buffer:
        body: list[int] = [8] * (2 * len(obj))
        body[1::2] = obj
        return _head(20, len(obj)) + pack(">" + "iq" * len(obj), *body)


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = 1009

    def dump(self, obj: Texts) -> Buffer:
        return _head(25, len(obj)) + b"".join(map(_text, obj))


class _BlobsDumper(Dumper):
    format = Format.BINARY
    oid = 1001

    def dump(self, obj: Blobs) -> Buffer:
        parts: list[bytes] = [b""] * (2 * len(obj))
        parts[::2] = map(_size, map(len, obj))
        parts[1::2] = obj
        return _head(17, len(obj)) + b"".join(parts)


def _head(element: int, count: int) -> bytes:
    """An array of one dimension from 1 on; it is said to have nulls, which is allowed where there are none."""
    return pack(">iiiii", 1, 1, element, count, 1) if count else pack(">iii", 0, 0, element)


@lru_cache(8_192)
def _text(value: str | None) -> bytes:
    """An element. The same sessions, subjects and types come again and again."""
    if value is None:
        return _NULL
    encoded = value.encode()
    return _size(len(encoded)) + encoded


ADAPTERS = AdaptersMap(adapters)
ADAPTERS.register_dumper(Ints, _IntsDumper)
ADAPTERS.register_dumper(Texts, _TextsDumper)
ADAPTERS.register_dumper(Blobs, _BlobsDumper)
