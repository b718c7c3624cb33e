"""What was read of a session, in the order in which it was taken, and how many of its commands were answered.

A folder holds two files for each session: `<name>.spool`, a line for each line that was read, with where that ends in
which file; and `<name>.sent`, a number. Lines are added before anything comes of them, the number is written when a
command was answered: both outlive the process that writes them, and what was being written when it died is left out.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from ..entries import Entry


class SpooledLine(NamedTuple):
    """A line of a file, which is called by its place from the session's folder; where it ends there, its number, and
    what was known about the file when it began."""

    file: str
    to: int
    number: int
    about: Entry
    line: bytes


class Spool:
    """The spool of one session. Both files are for their owner only."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.spool"
        self._sent_path = folder / f"{name}.sent"
        self._sent = _read_number(self._sent_path)

    @property
    def exists(self) -> bool:
        """Whether anything was read."""
        return self._path.exists()

    @property
    def sent(self) -> int:
        """How many commands were answered."""
        return self._sent

    @sent.setter
    def sent(self, number: int) -> None:
        self._sent = number
        beside = self._sent_path.with_suffix(".new")
        beside.write_text(str(number))
        beside.replace(self._sent_path)

    def lines(self) -> Iterator[SpooledLine]:
        """All that was read. What was being written when its writer died is cut off: it is read from its file again."""
        if not self._path.exists():
            return
        whole = 0
        with self._path.open("rb") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                whole += len(raw)
                head, _, line = raw[:-1].partition(b"\t")
                name, to, number, about, finished = orjson.loads(head)
                yield SpooledLine(name, to, number, about, line + b"\n" if finished else line)
        os.truncate(self._path, whole)

    def add(self, lines: Iterable[SpooledLine]) -> None:
        """Keep these, too."""
        data = bytearray()
        for name, to, number, about, line in lines:
            finished = line.endswith(b"\n")
            head = orjson.dumps([name, to, number, about, finished])
            data += head + b"\t" + line.removesuffix(b"\n") + b"\n"
        if data:
            with open(self._path, "ab", opener=_private) as file:
                file.write(data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read_number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return 0
