"""The identifiers and coordinates that everything else speaks in.

A `Version` is an event's place in its session, a `Position` its place in the whole log; both count 1, 2, 3 … in
commit order, and 0 stands for "before the first". Names that people and programs choose (sessions, participants,
messages) share one alphabet, so that they can stand in URLs, subjects and JSON without being escaped.
"""

import os
import threading
import time
from typing import Annotated, NewType

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
_millisecond = 0
_count = 0
_head = _tail = ""


def new_id() -> str:
    """Mint a UUID version 7 (RFC 9562) in its canonical text form.

    Ids minted by one process sort in the order of minting: the 12 bits after the milliseconds count up within one
    millisecond. Those of several processes are told apart by the 62 bits behind them, drawn anew for each millisecond:
    drawing them for each id took longer than all the rest. The domain never calls this; ids reach it inside commands.
    """
    global _count  # noqa: PLW0603
    now = time.time_ns() // 1_000_000
    with _lock:
        _count += 1
        if now > _millisecond or _count > 0xFFF:
            _begin(max(now, _millisecond + 1))
        return f"{_head}{_count:03x}-{_tail}"


def _begin(millisecond: int) -> None:
    """Mint within this one from now on: what stands before the count, and behind it (the variant and random bits)."""
    global _millisecond, _count, _head, _tail  # noqa: PLW0603
    bits = int.from_bytes(os.urandom(8)) & (1 << 62) - 1 | 1 << 63
    _millisecond, _count = millisecond, 0
    _head = f"{millisecond >> 16:08x}-{millisecond & 0xFFFF:04x}-7"
    _tail = f"{bits >> 48:04x}-{bits & (1 << 48) - 1:012x}"


os.register_at_fork(after_in_child=lambda: _begin(_millisecond + 1))
