"""What the benchmark of projections folds: deltas of a hundred sessions, into a document for each."""

import asyncio
from pathlib import Path

from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessageDelta
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.storage import Storage
from stenogram.projections import DocProjection, Meta

SESSIONS = 100
TURN = 10  # deltas that a session gets in a row
TYPE = "message.delta"


class Tally(BaseModel):
    deltas: int = 0
    characters: int = 0
    last: str = ""


def count(doc: Tally, characters: int, actor: str) -> None:
    """The fold, the same for all sides."""
    doc.deltas += 1
    doc.characters += characters
    doc.last = actor


def projection(name: str = "tally") -> DocProjection[Tally]:
    """The same as a projection of Stenogram's."""
    tally = DocProjection(name, Tally)

    @tally.on
    def _(doc: Tally, event: MessageDelta, meta: Meta) -> None:
        count(doc, len(event.text), meta.actor)

    return tally


def stored(number: int) -> bytes:
    """The stored form of a delta."""
    return (
        b'{"id":"01910000-0000-7000-8000-%012d","type":"message.delta","time":"2026-01-01T00:00:00.000000Z",'
        b'"actor":"hotels","data":{"message":"m1","index":%d,"text":"Three hotels have rooms. "}}' % (number, number)
    )


def turn(number: int) -> Append:
    """The deltas of one turn, of which each session gets one after the other."""
    first = number * TURN
    drafts = tuple([Draft(TYPE, "message:m1", stored(n), 1_767_225_600_000_000) for n in range(first, first + TURN)])
    return Append(f"s-{number % SESSIONS}", drafts)


def fill(where: str | Path, events: int) -> None:
    """Write a log of so many events."""

    async def write() -> None:
        async with Log(Storage(str(where)).engine(), max_waiting_bytes=2**30) as log:
            for first in range(0, events // TURN, 1_000):
                turns = range(first, min(first + 1_000, events // TURN))
                await asyncio.gather(*[log.append(turn(number)) for number in turns])

    asyncio.run(write())
