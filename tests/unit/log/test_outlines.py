"""Outlines of sessions as they were: they go on from what is kept, and leave out what was over.

That a page made of one is that of a fold, random sessions show (`tests/unit/api/test_past.py`).
"""

import asyncio

import pytest

from stenogram.api.http.session_answers import session_json
from stenogram.domain.audience import Viewer
from stenogram.domain.concepts.lifecycle import SessionOpened
from stenogram.domain.concepts.messages import MessageCompleted, MessageDelta, MessageStarted
from stenogram.domain.envelope import encode, timestamp
from stenogram.domain.ids import Version
from stenogram.domain.model import EventData, Fact
from stenogram.domain.parts import TextPart
from stenogram.log.commit import outlines
from stenogram.log.commit.past_states import KEPT_EVERY_EVENTS
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.testing.memory import memory_log
from stenogram.testing.rehearsal import START

ADA = Viewer("ada", "user")
PIECES = 8


async def write(log: Log, said: list[EventData], session: str = "s") -> None:
    drafts = [
        Draft(data.type, data.subject(), encode(f"e-{n}", Fact(data), timestamp(START), "hotels"), n)
        for n, data in enumerate(said)
    ]
    await log.append(Append(session, tuple(drafts)))


def streamed(messages: int) -> list[EventData]:
    """A session in which messages are streamed, each by ten events."""
    said: list[EventData] = [SessionOpened()]
    for number in range(messages):
        said.append(MessageStarted(message=f"m{number}"))
        said += [MessageDelta(message=f"m{number}", index=index, text="Rooms. ") for index in range(PIECES)]
        said.append(MessageCompleted(message=f"m{number}", parts=(TextPart(text="Rooms."),), deltas=PIECES))
    return said


async def test_only_what_is_open_is_in_it() -> None:
    async with memory_log() as log:
        await write(log, streamed(300))
        outline = await log.outline_at("s", Version(2_995))
        assert [*outline.messages.known] == ["m299"]
        assert len((await log.state_at("s", Version(2_995))).messages.known) == 300
        assert (outline.version, outline.session) == (2_995, (await log.state("s")).session)


async def test_a_second_question_goes_on_from_what_the_first_left(read: list[int]) -> None:
    async with memory_log() as log:
        await write(log, streamed(300))
        await log.outline_at("s", Version(2_995))
        for version in (2_995, 2_996, 1_500, 1_501, 1_400):
            read.clear()
            found = await log.outline_at("s", Version(version))
            assert sum(read) <= KEPT_EVERY_EVENTS
            assert await session_json(found, ADA) == await session_json(await log.state_at("s", Version(version)), ADA)


async def test_what_was_put_aside_for_one_moment_is_not_in_an_earlier_one() -> None:
    async with memory_log() as log:
        await write(log, streamed(3)[:-4])
        texts = []
        for version in (27, 24, 26, 25, 27):
            (open,) = (await log.outline_at("s", Version(version))).messages.known.values()
            texts.append(open.index)
        assert texts == [5, 2, 4, 3, 5]


async def test_what_comes_after_its_message_has_ended_is_passed_over() -> None:
    late = MessageDelta(message="m0", index=PIECES, text="Late.")
    async with memory_log() as log:
        await write(log, [*streamed(1), late])
        outline = await log.outline_at("s", Version(12))
        assert await session_json(outline, ADA) == await session_json(await log.state_at("s", Version(12)), ADA)


def speaking(pieces: int, size: int) -> list[EventData]:
    """A session in which somebody speaks, and does not end."""
    deltas = [MessageDelta(message="m", index=index, text="R" * size) for index in range(pieces)]
    return [SessionOpened(), MessageStarted(message="m"), *deltas]


@pytest.mark.parametrize(("pieces", "size"), [(100, 10_000), (2_500, 400)], ids=["short", "long"])
async def test_what_is_kept_of_sessions_is_bounded_by_what_they_have_open(
    pieces: int, size: int, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlines, "MOST_BYTES", 2_500_000)
    async with memory_log() as log:
        for session in ("s", "t", "u"):
            await write(log, speaking(pieces, size), session)
            await log.outline_at(session, Version(2 + pieces))
        read.clear()
        await log.outline_at("u", Version(2 + pieces))
        assert sum(read) == 0
        await log.outline_at("s", Version(2 + pieces))
        assert sum(read) == 2 + pieces, "it was dropped for the others"


async def test_what_was_kept_for_nobody_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "MOST_BYTES", 1_000_000)
    async with memory_log() as log:
        for session in ("s", "t"):
            await write(log, speaking(3_000, 400), session)
        kept = log._sessions.outlines._places
        keep, gone = outlines._Places.keep, list[int]()

        def cut_off(places: outlines._Places, outline: outlines._Outline) -> None:
            keep(places, outline)
            if outline.version >= 2 * KEPT_EVERY_EVENTS:
                gone.append(outline.version)
                raise asyncio.CancelledError

        monkeypatch.setattr(outlines._Places, "keep", cut_off)
        for session in ("s", "t"):
            with pytest.raises(asyncio.CancelledError):
                await log.outline_at(session, Version(3_000))
        assert (gone, len(kept)) == ([2_000, 2_000], 1)


async def test_what_was_rewritten_is_folded_anew(read: list[int]) -> None:
    async with memory_log() as log:
        await write(log, streamed(200))
        await log.outline_at("s", Version(1_900))
        log._sessions.forget("s")
        read.clear()
        await log.outline_at("s", Version(1_900))
        assert sum(read) >= 1_900
