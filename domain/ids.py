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
_last = 0
_head = ""
_tails: list[str] = []
_AT_ONCE = 512


def new_id() -> str:
    """Mint a UUID version 7 (RFC 9562) in its canonical text form.

    Ids minted by one process sort in the order of minting: the 12 bits after the milliseconds count up within one
    millisecond. The domain never calls this; ids reach it inside commands.
    """
    global _last, _head  # noqa: PLW0603
    with _lock:
        stamp = time.time_ns() // 1_000_000 << 12
        if stamp <= _last:
            stamp = _last + 1
        if stamp >> 12 != _last >> 12:
            _head = f"{stamp >> 28:08x}-{stamp >> 12 & 0xFFFF:04x}-7"
        _last = stamp
        if not _tails:  # asking the system for each id would take longer than all the rest
            _tails.extend(_random_tails())
        return f"{_head}{stamp & 0xFFF:03x}-{_tails.pop()}"


def _random_tails() -> list[str]:
    """What comes after the time: the variant, and 62 random bits."""
    digits = os.urandom(8 * _AT_ONCE).hex()
    starts = range(0, 16 * _AT_ONCE, 16)
    return [f"{'89ab'[int(digits[at], 16) & 3]}{digits[at + 1 : at + 4]}-{digits[at + 4 : at + 16]}" for at in starts]


os.register_at_fork(after_in_child=_tails.clear)
