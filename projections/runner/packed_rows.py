"""Rows in their stored form as JSON, a line each, and snapshots of them."""

from collections.abc import Iterable

import orjson

from ...log.records import Record
from ..authoring.shape import Row, Shape
from ..store.records import Snapshot
from .checkpoints import digest_of

LARGE_BYTES = 64 * 2**10
"""Of a snapshot, from which on they are taken more rarely."""
MAX_SNAPSHOT_BYTES = 16 * 2**20
"""Of what is larger no snapshots are taken: to read one takes as long as to fold a good part of it."""


def snapshot_of(last: Record, rows: Iterable[bytes]) -> Snapshot:
    """A snapshot of packed rows, which were folded up to an event."""
    # Lines, so that they can be taken apart a few at a time, and none of them need be parsed and written again.
    return Snapshot(last.version, b"\n".join([digest_of(last).encode(), *rows]))


def unpacked(data: bytes, shape: Shape) -> Row:
    """A row again."""
    return tuple(
        [
            value.encode() if column.kind == "bytes" and value is not None else value
            for column, value in zip(shape.columns, orjson.loads(data), strict=True)
        ]
    )


def packed(row: Row) -> bytes:
    """A row as JSON."""
    written = orjson.dumps([value.decode() if isinstance(value, bytes) else value for value in row])
    return bytes(memoryview(written))  # a copy: orjson leaves its results with a buffer several times as large
