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
CommandId = Name
EventId = Name

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Mint a UUID version 7 (RFC 9562) in its canonical text form.

    Ids minted by one process sort in the order of minting: the 12 bits after the milliseconds count up within one
    millisecond. The domain never calls this; ids reach it inside commands.
    """
    global _last  # noqa: PLW0603
    with _lock:
        _last = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
        stamp = _last
    millis, count = stamp >> 12, stamp & 0xFFF
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFFFFFFFFFFFFFF | 0x8000000000000000
    text = f"{millis:012x}7{count:03x}{tail:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
