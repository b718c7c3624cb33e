"""The identifiers and coordinates that everything else speaks in.

A `Version` is an event's place in its session, a `Position` its place in the whole log; both count 1, 2, 3 … in
commit order, and 0 stands for "before the first". Names that people and programs choose (sessions, participants,
messages) share one alphabet, so that they can stand in URLs, subjects and JSON without being escaped.
"""

import os
import threading
import time
from collections.abc import Iterator
from itertools import count
from typing import Annotated, NamedTuple, NewType

from pydantic import StringConstraints

Version = NewType("Version", int)
Position = NewType("Position", int)

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:@+\-]*$"
TYPE_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=128)]
"""What a session, participant, message or tool call is called: 1 to 128 of `A-Z a-z 0-9 . _ : @ + -`, beginning
with a letter or digit."""

SessionId = Name
ParticipantId = Name
MessageId = Name
CallId = Name
TaskId = Name
SignalId = Name
ApprovalId = Name
CommandId = Name
EventId = Name

_lock = threading.Lock()


class _Mint(NamedTuple):
    """Makes the ids of one millisecond: what stands before the count, and behind it (the variant and random bits)."""

    millisecond: int
    numbers: Iterator[int]
    head: str
    tail: str


def new_id() -> str:
    """Mint a UUID version 7 (RFC 9562) in its canonical text form.

    Ids minted by one process sort in the order of minting: the 12 bits after the milliseconds count up within one
    millisecond. Those of several processes are told apart by the 62 bits behind them, drawn anew for each millisecond:
    drawing them for each id took longer than all the rest. The domain never calls this; ids reach it inside commands.
    """
    now = time.time_ns() // 1_000_000
    while True:
        millisecond, numbers, head, tail = mint = _mint
        number = next(numbers)
        if now <= millisecond and number <= 0xFFF:
            return f"{head}{number:03x}-{tail}"
        _renew(mint, now)


def _renew(spent: _Mint, now: int) -> None:
    """Mint within this millisecond from now on, or within the next that has not been, unless another thread has seen to
    it."""
    global _mint  # noqa: PLW0603
    with _lock:
        if _mint is spent:
            _mint = _of(max(now, spent.millisecond + 1))


def _of(millisecond: int) -> _Mint:
    bits = int.from_bytes(os.urandom(8)) & (1 << 62) - 1 | 1 << 63
    head = f"{millisecond >> 16:08x}-{millisecond & 0xFFFF:04x}-7"
    return _Mint(millisecond, count(), head, f"{bits >> 48:04x}-{bits & (1 << 48) - 1:012x}")


def _part_from_parent() -> None:
    """Begin a child with ids of its own. Another thread of the parent may have held the lock, which nobody lets go of
    here."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _renew(_mint, 0)


_mint = _of(0)
os.register_at_fork(after_in_child=_part_from_parent)
