"""Which log a file is: the last event that was seen in it, kept beside it, so that an older copy is recognised.

A copy of a log that is put back ends before the original did. Its next events would take positions that clients have
seen already, and a cursor among them would lead past events which nobody is told of. So whoever writes a log notes its
last event in a file beside it, `.<name>.identity`. A log that lacks this event, and has the epoch in which it was
written, is not opened: it gets a new epoch first, in which no old cursor is valid.

The note is memory that the kernel writes to the file: it costs no system call, survives the process, and may be older
than the log after a loss of power, which harms nobody. It is made after the commit, so that it is never ahead of the
log. The file has slots, each with a checksum; two are written in turn, so that one is whole whenever the process dies.
The others remember logs that were here before, by their epochs: one of them may be put back, too. The file's name
begins with a dot so that `cp stenogram*` neither saves it nor puts an old one back.
"""

import mmap
import os
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from ...domain.errors import LogReplaced, LogUnreadable
from ...domain.ids import Position
from ..records import Record
from .connection import Connection
from .file import make_private
from .reading import read_head, read_log

SLOT_BYTES = 128
SLOTS = 32
HEAD_BYTES = 64
"""Of an event's data: its id is there."""


class LastEvent(NamedTuple):
    """The last event of a log that was seen: the log's epoch, the event's position, and what tells it from others."""

    epoch: str
    position: Position
    digest: str

    def slot(self) -> bytes:
        """As bytes that are recognised when they are whole."""
        body = f"{self.epoch} {self.position} {self.digest}".encode()
        return (b"%08x %b\n" % (zlib.crc32(body), body)).ljust(SLOT_BYTES)


class IdentityFile:
    """What is known of the logs that one path has led to."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.path = identity_path(log)
        self._map: mmap.mmap | None = None
        self._epoch = ""
        self._next = 0

    def check(self, connection: Connection) -> None:
        """Raises LogReplaced when the log is an older copy of one that was here: it has the epoch of that one, and not
        its last event."""
        known = self._read()  # before the log is read: a writer may be at work
        head = read_head(connection)
        last = known.get(head.epoch)
        if last is None or not last.position:
            return
        found = read_log(connection, last.position - 1, 1).records()
        if not found or (found[0].position == last.position and digest_of(found[0]) != last.digest):
            raise LogReplaced(
                f"{self._log} ends at position {head.position} and lacks event {last.position}, which was in it: an "
                "older copy was put back. So that nobody resumes from a place which other events will take, give it "
                f"a new epoch: stop every gateway and run `stenogram migrate --new-epoch --log {self._log}`."
            )

    def open(self, connection: Connection) -> None:
        """Get ready to note what is written to this log, beginning with where it ends now."""
        head = read_head(connection)
        known = self._read()
        known.pop(head.epoch, None)
        last = read_log(connection, head.position - 1, 1).records() if head.position else []
        now = LastEvent(head.epoch, head.position, digest_of(last[0]) if last else "-")
        slots = [now, now, *known.values()][:SLOTS]
        content = b"".join([each.slot() for each in slots]).ljust(SLOTS * SLOT_BYTES)
        try:
            part = self.path.with_name(f"{self.path.name}.part")
            make_private(part)
            part.write_bytes(content)
            os.replace(part, self.path)
            with self.path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), len(content))
        except OSError as error:
            raise LogUnreadable(
                f"{self.path} cannot be written: {error.strerror or error}; it is needed to write the log."
            ) from error
        self._epoch = head.epoch

    def note(self, record: Record) -> None:
        """Remember that this event was committed, and is the last one."""
        assert self._map is not None
        at = self._next * SLOT_BYTES
        self._map[at : at + SLOT_BYTES] = LastEvent(self._epoch, record.position, digest_of(record)).slot()
        self._next = 1 - self._next

    def close(self) -> None:
        """Note nothing more. The kernel writes what was noted to the disk in its own time: to wait for that would make
        a gateway's end as slow as the disk."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def _read(self) -> dict[str, LastEvent]:
        """By epoch, the last event that is known, the newest logs first."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise LogUnreadable(
                f"{self.path} cannot be read: {error.strerror or error}; it tells whether the log is whole."
            ) from error
        found: dict[str, LastEvent] = {}
        for start in range(0, len(content), SLOT_BYTES):
            last = _parse(content[start : start + SLOT_BYTES])
            if last is not None and (last.epoch not in found or last.position > found[last.epoch].position):
                found[last.epoch] = last
        return found


def identity_path(log: Path) -> Path:
    """Where what is known of the logs at a path is kept."""
    return log.parent / f".{log.name}.identity"


def digest_of(record: Record) -> str:
    """Tells an event from any other in its place."""
    place = f"{record.session} {record.version} {record.time} ".encode()
    return blake2b(place + record.data[:HEAD_BYTES], digest_size=8).hexdigest()


def _parse(slot: bytes) -> LastEvent | None:
    checksum, _, body = slot.rstrip(b" \n").partition(b" ")
    if not body or b"%08x" % zlib.crc32(body) != checksum:
        return None
    epoch, position, digest = body.decode().split(" ")
    return LastEvent(epoch, Position(int(position)), digest)
