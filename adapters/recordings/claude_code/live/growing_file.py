"""A file that another program writes to: its lines, each once, as they are finished.

A file that was cut, or replaced by another one under its name, is known by the end of what was read: it is not there
any more. Then it is read from its start, but for the lines that it has had before.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

READ_BYTES = 2**20
END_BYTES = 256
"""By so many bytes before the place that was read to, a file is known again."""


class GrowingFile:
    """Reads on from where it was left. `number` is that of the last line since the file began."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self._at = 0
        self._end = b""
        self._known: set[bytes] = set()
        self._again = False
        self._read_all_of: tuple[int, int, int] | None = None

    def resume(self, line: bytes, to: int, number: int) -> None:
        """Say that a line was read, which ends at a place: an earlier run did."""
        self.number, self._at, self._end = number, to, line[-END_BYTES:]
        self._known.add(_digest(line))

    def read(self, *, to_the_end: bool = False) -> Iterator[tuple[bytes, int, int]]:
        """The next finished lines, about a mebibyte of them at most, or one; each with where it ends and its number.
        `to_the_end`: also a last one that is not finished. Of a file that is gone, or may not be read any more, there
        are none."""
        try:
            with self.path.open("rb") as file:
                lines = self._lines(file.fileno(), to_the_end)
        except OSError:
            return
        for line in lines:
            self._at, self._end, self.number = self._at + len(line), line[-END_BYTES:], self.number + 1
            digest = _digest(line)
            if not self._again or digest not in self._known:
                self._known.add(digest)
                yield line, self._at, self.number

    def _lines(self, file: int, to_the_end: bool) -> list[bytes]:
        found = os.fstat(file)
        stat = found.st_ino, found.st_size, found.st_mtime_ns
        if stat == self._read_all_of and not to_the_end:
            return []
        if self._end and os.pread(file, len(self._end), self._at - len(self._end)) != self._end:
            self._at, self._end, self.number, self._again = 0, b"", 0, True
        part = os.pread(file, READ_BYTES, self._at)
        read = part
        while part and b"\n" not in part:  # a line may be longer
            part = os.pread(file, READ_BYTES, self._at + len(read))
            read += part
        *lines, rest = [each + b"\n" for each in read.split(b"\n")]
        self._read_all_of = stat if self._at + len(read) >= found.st_size else None
        return [*lines, rest[:-1]] if to_the_end and not part and len(rest) > 1 else lines


def _digest(line: bytes) -> bytes:
    return hashlib.blake2b(line.rstrip(b"\n"), digest_size=12).digest()
