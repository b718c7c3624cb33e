"""Places in a log that are recognised after a restore.

A position alone is not enough: a log that was restored from a copy, or created again, has other events in the same
places. So a checkpoint also has the log's epoch and a digest of the event at its place.
"""

import zlib

from ...domain.ids import Position
from ...log.log import Log
from ...log.records import Record
from ..store import Checkpoint


class OtherLog(Exception):
    """The log is not the one that was folded, or was restored to an earlier state."""


def checkpoint_at(epoch: str, record: Record) -> Checkpoint:
    """The checkpoint of a view that has this event as its last one."""
    return Checkpoint(epoch, record.position, digest_of(record))


def checkpoint_before(epoch: str, first: Record, shared: int) -> Checkpoint:
    """The checkpoint of a view that has so many of the events that a fork shares, and next has its first own one."""
    return Checkpoint(epoch, Position(first.position - 1), digest_of(first), shared)


async def end_of(log: Log) -> Checkpoint:
    """The place at which the log ends now."""
    head = await log.engine.head()
    last = await log.engine.read_log(head.position - 1, 1) if head.position else []
    return checkpoint_at(log.epoch, last[0]) if last else Checkpoint(log.epoch)


async def check_log(log: Log, checkpoint: Checkpoint) -> None:
    """Raise OtherLog unless the checkpoint is a place in this log."""
    if checkpoint.epoch != log.epoch:
        raise OtherLog(f"the log has another epoch ({log.epoch}) than the one that was folded ({checkpoint.epoch})")
    position = checkpoint.position + (checkpoint.shared > 0)
    if not position:
        return
    found = await log.engine.read_log(position - 1, 1)
    if not found:
        raise OtherLog(f"the log ends before position {position}, up to which it was folded")
    if found[0].position == position and digest_of(found[0]) != checkpoint.digest:
        raise OtherLog(f"the event at position {position} is another than the one that was folded")


def digest_of(record: Record) -> str:
    """Tells an event from any other that might stand in its place."""
    return f"{record.session}/{record.version}/{zlib.crc32(record.data):08x}"
