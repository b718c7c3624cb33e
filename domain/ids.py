"""The identifiers and coordinates that everything else speaks in.

A `Version` is an event's place in its session, a `Position` its place in the whole log; both count 1, 2, 3 … in
commit order, and 0 stands for "before the first". Names that people and programs choose (sessions, participants,
messages) share one alphabet, so that they can stand in URLs, subjects and JSON without being escaped.
"""

import os
import threading
import time
from struct import unpack
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
_last = 0
_random: list[int] = []
_AT_ONCE = 512
_NODE = (1 << 48) - 1


def new_id() -> str:
    """Mint a UUID version 7 (RFC 9562) in its canonical text form.

    Ids minted by one process sort in the order of minting: the 12 bits after the milliseconds count up within one
    millisecond. The domain never calls this; ids reach it inside commands.
    """
    global _last  # noqa: PLW0603
    with _lock:
        _last = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
        stamp = _last
        if not _random:  # asking the system for each id would take longer than all the rest
            _random.extend(unpack(f"{_AT_ONCE}Q", os.urandom(8 * _AT_ONCE)))
        tail = _random.pop() & 0x3FFFFFFFFFFFFFFF | 0x8000000000000000
    return f"{stamp >> 28:08x}-{stamp >> 12 & 0xFFFF:04x}-7{stamp & 0xFFF:03x}-{tail >> 48:04x}-{tail & _NODE:012x}"


os.register_at_fork(after_in_child=_random.clear)
