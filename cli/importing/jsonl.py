"""JSONL: one event a line, each the envelope as it goes over the wire.

Exported lines are the very bytes that the log and the gateway send. Reading checks everything about a line, and keeps
its bytes where they are in the canonical order; a line that another program wrote differently (`jq`, a pretty printer)
is put in order first.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import orjson

from ...domain.concepts.lifecycle import SessionForked
from ...domain.envelope import timestamp, validate
from ...domain.errors import Invalid, StenogramError, TooLarge
from ...domain.ids import SessionId
from ...domain.model import Event
from ...domain.wording.json_faults import unreadable
from .forks import Fork
from .import_entry import ImportEntry

MAX_LINE_BYTES = 8 * 2**20
_DATA = b',"data":'
_FORKED = b"session.forked"
_PLACE = re.compile(rb'\{"position":\d+,"session":"[^"]*","version":\d+,')


def read_entries(lines: Iterable[bytes], name: str) -> Iterator[ImportEntry]:
    """The events of a file, in order; blank lines are passed over. Raises Invalid, naming the file and the line."""
    for number, raw in enumerate(lines, 1):
        line = raw.strip(b" \t\r\n")
        if not line:
            continue
        try:
            event, stored = _read(line)
        except StenogramError as error:
            raise type(error)(f"{name}, line {number}: {error.detail}") from None
        yield ImportEntry(f"{name}, line {number}", event, stored)


def read_forks(lines: Iterable[bytes]) -> Iterator[Fork]:
    """The forks in a file. Lines that cannot be read are passed over: `read_entries` names them."""
    for line in lines:
        if _FORKED in line:
            with suppress(StenogramError):
                event, _ = _read(line.strip(b" \t\r\n"))
                if isinstance(event.data, SessionForked):
                    yield Fork(event.session, event.version, event.data.origin, event.data.at)


def _read(line: bytes) -> tuple[Event, bytes]:
    if len(line) > MAX_LINE_BYTES:
        raise TooLarge(f"The line has {len(line):,} bytes; an event has at most {MAX_LINE_BYTES:,}.")
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"This is no JSON: {unreadable(error)}.") from None
    event = validate(found)
    return event, _stored(line, event, found["data"])


def _stored(line: bytes, event: Event, data: Any) -> bytes:
    """The event as the log keeps it: the line's own bytes where they are canonical."""
    head = _head(event)
    matched = _PLACE.match(line)
    if b"\r" in line:  # a space to JSON, and the end of a line to readers of server-sent events
        matched = None
    if matched and line.startswith(head[1:], matched.end()) and _is_json(line[matched.end() + len(head) - 1 : -1]):
        return b"{" + line[matched.end() :]
    return head + orjson.dumps(data) + b"}"


def with_ids(entry: ImportEntry, session: SessionId, id: str, cause: str | None) -> ImportEntry:
    """The entry as an event of another session, with another id and cause."""
    event = entry.event._replace(session=session, id=id, cause=cause)
    data = entry.stored[entry.stored.index(_DATA) :]
    return entry._replace(event=event, stored=_head(event).removesuffix(_DATA) + data)


def _head(event: Event) -> bytes:
    """All of the stored form that comes before the payload."""
    members = {
        "id": event.id,
        "type": event.type,
        "time": timestamp(event.time),
        "actor": event.actor,
        "task": event.task,
        "cause": event.cause,
        "audience": event.audience,
    }
    present = {name: value for name, value in members.items() if value is not None}
    return orjson.dumps(present)[:-1] + _DATA


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
