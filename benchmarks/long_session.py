"""What the benchmarks of moments and of views look at: sessions of four agents, ten events a second each, as teams make
them."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from stenogram.domain.concepts.document import StateMerged
from stenogram.domain.concepts.lifecycle import SessionOpened
from stenogram.domain.concepts.messages import MessageCompleted, MessageDelta, MessageStarted
from stenogram.domain.concepts.presence import PresenceJoined, PresenceStatus
from stenogram.domain.concepts.tools import ToolCalled, ToolReturned
from stenogram.domain.envelope import encode, microseconds, timestamp
from stenogram.domain.model import EventData, Fact
from stenogram.domain.parts import TextPart
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.storage import Storage

Happens = Callable[[], Iterator[tuple[str, EventData]]]
SESSION = "long"
AGENTS = ("planner", "hotels", "flights", "museums")
KEYS = 200
"""Members of the shared state."""
PER_SECOND = 10
_START = datetime(2026, 1, 1, tzinfo=UTC)
_TEXT = "Three hotels near the river have rooms on Friday, two of them with breakfast. "
_BATCH = 1_000
_TURN = 10


def fill(
    where: Path | str, events: int, sessions: int = 1, happens: Happens | None = None, start: datetime | None = None
) -> None:
    """Write a log of that session, with so many events; or of several, turn by turn, with so many together. `happens`
    is what happens in each, in place of what those teams do, `start` when it begins."""

    async def write() -> None:
        drafts = [_drafts(events // sessions, happens or _happens, start or _START) for _ in range(sessions)]
        names = [f"{SESSION}-{number}" for number in range(sessions)] if sessions > 1 else [SESSION]
        most = _BATCH if sessions == 1 else _TURN
        async with Log(Storage(str(where)).engine(), max_waiting_bytes=2**30) as log:
            while batches := [batch for each in drafts if (batch := tuple(islice(each, most)))]:
                await asyncio.gather(*[log.append(Append(*each)) for each in zip(names, batches, strict=False)])

    asyncio.run(write())


def _drafts(events: int, happens: Happens, start: datetime) -> Iterator[Draft]:
    for number, (actor, data) in enumerate(islice(happens(), events)):
        time = start + timedelta(seconds=number / PER_SECOND)
        stored = encode(f"01910000-0000-7000-8000-{number:012d}", Fact(data), timestamp(time), actor)
        yield Draft(data.type, data.subject(), stored, microseconds(time))


def _happens() -> Iterator[tuple[str, EventData]]:
    yield "ada", SessionOpened(title="A long session")
    for agent in AGENTS:
        yield agent, PresenceJoined(participant=agent, kind="agent")
    number = 0
    while True:
        number += 1
        for event in _turn(number, AGENTS[number % len(AGENTS)]):
            yield AGENTS[number % len(AGENTS)], event


def _turn(number: int, agent: str) -> Iterator[EventData]:
    """Ten events: an agent says that it works, calls a tool, notes what it found, and says so."""
    message, call, key = f"m{number}", f"t{number}", f"key{number % KEYS}"
    yield PresenceStatus(participant=agent, status="working", activity=f"Turn {number}")
    yield ToolCalled(call=call, tool="search", arguments={"city": "Lisbon", "page": number})
    yield ToolReturned(call=call, result=["Tivoli", "Avenida", "Bairro Alto"])
    yield StateMerged(patch={key: {"by": agent, "turn": number, "note": _TEXT}}, keys=(f"/{key}",))
    yield MessageStarted(message=message)
    for index in range(4):
        yield MessageDelta(message=message, index=index, text=_TEXT)
    yield MessageCompleted(message=message, parts=(TextPart(text=_TEXT * 4),), deltas=4)
