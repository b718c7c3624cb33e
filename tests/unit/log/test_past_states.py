"""Sessions as they were: any version is what a fold up to there comes to, whatever was folded before, and the same is
folded once."""

import asyncio
import random
from datetime import UTC, datetime

from stenogram.domain.commands import parse_command
from stenogram.domain.concepts.lifecycle import SessionOpened
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.envelope import encode, timestamp
from stenogram.domain.ids import Version
from stenogram.domain.model import Actor, Command, EventData, Fact
from stenogram.domain.parts import TextPart
from stenogram.domain.state import State
from stenogram.log.commit.folding import fold_records
from stenogram.log.log import Log
from stenogram.log.paging import read_range
from stenogram.log.records import Append, Draft
from stenogram.testing.memory import memory_log

EVENTS = 3_300


async def write(log: Log, session: str, number: int) -> None:
    drafts = []
    for n in range(number):
        said: EventData = SessionOpened()
        if n:
            said = MessagePosted(message=f"m{n}", parts=(TextPart(text="Rooms."),))
        stored = encode(f"{session}-{n}", Fact(said), timestamp(datetime(2026, 1, 1, tzinfo=UTC)), "ada")
        drafts.append(Draft(said.type, said.subject(), stored, n))
    await log.append(Append(session, tuple(drafts)))


async def test_any_version_is_what_a_fold_up_to_there_comes_to() -> None:
    chance = random.Random(5)
    async with memory_log() as log:
        await write(log, "s", EVENTS)
        records = await read_range(log, "s", 0, EVENTS)
        for version in [EVENTS, 0, 1, 2_000, 1_999, *[chance.randint(0, EVENTS) for _ in range(20)], EVENTS + 5]:
            assert await log.state_at("s", Version(version)) == fold_records(State("s"), records[:version]), version


async def test_a_second_question_goes_on_from_what_the_first_left(read: list[int]) -> None:
    async with memory_log() as log:
        await write(log, "s", EVENTS)
        await log.state_at("s", Version(3_000))
        read.clear()
        await log.state_at("s", Version(3_000))
        assert read == []
        await log.state_at("s", Version(2_150))
        assert sum(read) <= 200, "from the state at 2,000"


async def test_what_was_rewritten_is_folded_anew() -> None:
    async with memory_log() as log:
        await write(log, "s", 1_500)
        before = await log.state_at("s", Version(1_200))
        log._sessions.forget("s")
        after = await log.state_at("s", Version(1_200))
        assert after == before
        assert after is not before


async def test_many_forks_at_a_past_version_fold_it_once(read: list[int]) -> None:
    async with memory_log() as log:
        await write(log, "s", EVENTS)
        await log.state("s")
        read.clear()
        fork = parse_command("session.fork", {"origin": "s", "at": 3_000})
        actors = [Actor(f"user-{n % 4}", "user") for n in range(64)]
        done = await asyncio.gather(
            *[
                log.submit(Command(f"c{n}", f"fork-{n}", actor, datetime.now(UTC), fork))
                for n, actor in enumerate(actors)
            ]
        )
        assert [each.versions for each in done] == [(3_001,)] * 64
        assert sum(read) < 2 * EVENTS
        assert len((await log.state("fork-63")).messages.known) == 2_999
