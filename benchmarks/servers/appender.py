"""Writes a log as another process than the gateway does: deltas of many sessions, each of which gets one in turn.

It says `{"position": …}` once the sessions are there. A line on stdin, how many events a second, begins; it ends when
it is killed. What is due is written together, by the SQLite engine's own statement and with its own settings, but
nobody decides anything. Each event's text begins with the time at which it was due; the time at which it was committed
is noted in a file that is shared with the load client.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stamps import STAMPS, map_stamps

from stenogram.domain.ids import Position, SessionId, Version
from stenogram.log.records import ANYTHING, Batch, Record
from stenogram.log.sqlite.connection import Connection
from stenogram.log.sqlite.file import open_writer
from stenogram.log.sqlite.lock import WriterLock
from stenogram.log.sqlite.writing import write_batch

MOST = 2_000  # events of one commit
TIME = 1_767_225_600_000_000
OPENED = (
    b'{"id":"01910000-0000-7000-8000-%012d","type":"session.opened","time":"2026-01-01T00:00:00.000000Z","actor":"b"}'
)
DELTA = (
    b'{"id":"01910000-0000-7000-8000-%012d","type":"message.delta","time":"2026-01-01T00:00:00.000000Z","actor":"bench",'
    b'"data":{"message":"m","index":%d,"text":"%019d '
)


class Sessions:
    """Makes the log's events: those of a turn are one of each session, so that a position tells session and version."""

    def __init__(self, count: int, size: int) -> None:
        self.names: list[SessionId] = [f"b{number}" for number in range(count)]
        self._rest = b'%s"}}' % (b"x" * (size - 20))

    def open(self) -> list[Record]:
        """The first event of each."""
        return [self._record(n + 1, "session", "session.opened", OPENED % (n + 1)) for n in range(len(self.names))]

    def deltas(self, after: int, due: list[int]) -> list[Record]:
        """The next events, due at these times."""
        count, rest = len(self.names), self._rest
        return [
            self._record(at, "message:m", "message.delta", DELTA % (at, (at - 1) // count - 1, when) + rest)
            for at, when in enumerate(due, after + 1)
        ]

    def _record(self, at: int, subject: str, type: str, data: bytes) -> Record:
        turn, number = divmod(at - 1, len(self.names))
        return Record(Position(at), self.names[number], Version(turn + 1), subject, type, data, None, TIME)


def main() -> None:
    options = parse_options()
    connection = open_writer(options.log, WriterLock(options.log).acquire, lambda _: None)
    sessions, stamps = Sessions(options.sessions, options.bytes), map_stamps(options.stamps)
    write(connection, sessions.open(), stamps)
    print(json.dumps({"position": options.sessions}), flush=True)
    append_for_ever(connection, sessions, stamps, options.sessions, int(sys.stdin.readline()))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--bytes", type=int, default=200, help="length of each event's text")
    parser.add_argument("--stamps", type=Path, required=True, help="file to note in when each position was committed")
    return parser.parse_args()


def append_for_ever(
    connection: Connection, sessions: Sessions, stamps: "memoryview[int]", position: int, rate: int
) -> None:
    step = 1_000_000_000 // rate
    due = time.monotonic_ns()
    while True:
        if (late := time.monotonic_ns() - due) < 0:
            time.sleep(-late / 1e9)
            continue
        times = [due + n * step for n in range(min(late // step + 1, MOST))]
        due = times[-1] + step
        write(connection, sessions.deltas(position, times), stamps)
        position += len(times)


def write(connection: Connection, records: list[Record], stamps: "memoryview[int]") -> None:
    """Commit, and note when that was done."""
    heads = {(each.session, subject): each.version for each in records for subject in (each.subject, ANYTHING)}
    write_batch(connection, Batch(Position(records[0].position - 1), records, heads, {}, {}, {}))
    now = time.monotonic_ns()
    for record in records:
        stamps[record.position % STAMPS] = now


if __name__ == "__main__":
    main()
