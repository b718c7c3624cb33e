"""Reading a stream: a page of one of its parts at a time."""

from collections.abc import Sequence
from typing import NamedTuple

from ...domain.errors import Gone, Invalid
from ...log.log import Log
from ..access.principal import Principal
from ..delivery.event_filter import EventFilter, visible_wires
from ..delivery.topic import SessionTopic
from .content import messages_in
from .readable import Part, Readable

PAGE_EVENTS = 1_000
ENOUGH_BYTES = 2**20
"""After which no further part of a stream is begun in one chunk."""
_ALL = EventFilter()


class Chunk(NamedTuple):
    """What comes behind a place, and the place behind that."""

    messages: Sequence[bytes]
    to: int


def place_in(stream: Readable, place: int) -> int:
    """A place that a client gave, once it is known to be one of this stream. Raises Invalid and Gone."""
    if place <= 0:
        return stream.start
    if place > stream.end:
        raise Invalid("The offset is beyond the end of the stream.")
    if place < stream.start:
        raise Gone("The offset is of a stream that had this name before; start from -1.")
    return place


async def read_chunk(log: Log, stream: Readable, place: int, principal: Principal) -> Chunk:
    """What a page holds that the principal may see, or several short ones; nothing where the place is the last one."""
    messages: list[bytes] = []
    to = place
    for part in stream.parts:
        if to < part.upto + part.shift:
            wires, to = await _read(log, part, max(to, part.after + part.shift), principal)
            messages += [each for wire in wires if (each := messages_in(wire, stream.form)) is not None]
            if to < part.upto + part.shift or sum(map(len, messages)) > ENOUGH_BYTES:
                break
    # What comes behind the last content changes nothing for a reader, who is at the tail there.
    return Chunk(messages, max(stream.tail, place) if to >= stream.end else to)


async def next_content(log: Log, stream: Readable, place: int, principal: Principal) -> bytes | None:
    """The event with the first content behind a place."""
    for part in stream.parts:
        while place < part.upto + part.shift:
            wires, place = await _read(log, part, max(place, part.after + part.shift), principal)
            for wire in wires:
                if messages_in(wire, stream.form) is not None:
                    return wire
    return None


async def _read(log: Log, part: Part, place: int, principal: Principal) -> tuple[Sequence[bytes], int]:
    after = place - part.shift
    page = await SessionTopic(log, part.session).page(after, min(PAGE_EVENTS, part.upto - after), records=False)
    run = page.between(after, part.upto)
    if not run.places:
        return (), part.upto + part.shift
    viewer = await principal.viewer(log, part.session)
    return visible_wires(run, _ALL, viewer, frozenset()), run.places[-1] + part.shift
