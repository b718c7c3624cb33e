"""Pages: read once for all who are at the same place, and let go when nobody needs them."""

import asyncio
import gc

import pytest

from stenogram.domain.ids import Position
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.projections.runner import log_reader
from stenogram.projections.runner.decoded_page import DecodedPage
from stenogram.projections.runner.log_reader import BATCH, PAGES_PER_READER, LogReader, PageSlice
from stenogram.testing.stage import stage

MANY = 5_500
STORED = b'{"id":"e","type":"session.closed","time":"2026-01-01T00:00:00.000000Z","actor":"ada","data":{}}'


async def filled(log: Log) -> Log:
    await log.append(Append("s-1", tuple(Draft("session.closed", "session", STORED, 0) for _ in range(MANY))))
    return log


async def read(pages: LogReader, reader: asyncio.Event) -> list[PageSlice]:
    found = list[PageSlice]()
    while (stretch := await pages.after(found[-1].last.position if found else Position(0), reader)) is not None:
        found.append(stretch)
    return found


def alive() -> int:
    gc.collect()
    return sum(type(each) is DecodedPage for each in gc.get_objects())


async def test_who_is_behind_holds_few_pages_and_who_caught_up_none() -> None:
    async with stage() as here:
        reader, at = asyncio.Event(), Position(0)
        with LogReader(await filled(here.log)) as pages:
            before = alive()
            while (stretch := await pages.after(at, reader)) is not None:
                at = stretch.last.position
                assert alive() <= before + PAGES_PER_READER + 1, "its own may have been put away"
            assert at == MANY
            await asyncio.sleep(0)
            assert alive() == before


async def test_several_who_are_at_the_same_place_share_what_is_read_and_decoded() -> None:
    async with stage() as here:
        with LogReader(await filled(here.log)) as pages:
            one, other = await asyncio.gather(*[pages.after(Position(0), asyncio.Event()) for _ in range(2)])
    assert one is not None
    assert one == other
    ((page, start, end),) = one.parts
    assert all(page.event(index) is page.event(index) for index in range(start, end))


async def test_who_is_ahead_waits_for_the_others_and_shares_their_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "PATIENCE_S", 600.0)
    async with stage() as here:
        one, other = asyncio.Event(), asyncio.Event()
        with LogReader(await filled(here.log)) as pages:
            for reader in (one, other):
                pages.subscribe(reader, together=True)
                await pages.after(Position(0), reader)
            ahead = asyncio.create_task(pages.after(Position(BATCH), one))
            await asyncio.sleep(0.05)
            assert not ahead.done()
            assert await pages.after(Position(BATCH), other) == await ahead


@pytest.mark.parametrize("leaves", [False, True])
async def test_who_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, leaves: bool) -> None:
    monkeypatch.setattr(log_reader, "PATIENCE_S", 600.0 if leaves else 0.05)
    async with stage() as here:
        one, other = asyncio.Event(), asyncio.Event()
        with LogReader(await filled(here.log)) as pages:
            for reader in (one, other):
                pages.subscribe(reader, together=True)
                await pages.after(Position(0), reader)
            ahead = asyncio.create_task(pages.after(Position(BATCH), one))
            await asyncio.sleep(0)
            if leaves:
                pages.unsubscribe(other)
            async with asyncio.timeout(30):
                assert await ahead is not None
                for page in (2, 3, 4):
                    assert await pages.after(Position(page * BATCH), one) is not None


async def test_who_starts_amid_a_page_is_with_the_others_at_the_next() -> None:
    async with stage() as here:
        with LogReader(await filled(here.log)) as pages:
            events = await pages.after(Position(7), asyncio.Event())
    assert events is not None
    assert (events.parts[0][0].first, events.last.position) == (8, BATCH)


async def test_nothing_decoded_is_kept_for_one_alone() -> None:
    async with stage() as here:
        with LogReader(await filled(here.log)) as pages:
            first, *_ = await read(pages, asyncio.Event())
    ((page, *_),) = first.parts
    assert page.event(0) == page.event(0)
    assert page.event(0) is not page.event(0)


async def test_a_stretch_is_cut_into_parts_that_follow_on_each_other() -> None:
    async with stage() as here:
        records = await (await filled(here.log)).engine.read_log(0, 100)
    whole = PageSlice([(DecodedPage(records[:40]), 5, 40), (DecodedPage(records[40:]), 0, 60)])
    for most in (1, 7, 40, 95, 1_000):
        parts = list(whole.cut(most))
        assert all(part.length == most for part in parts[:-1])
        assert 0 < parts[-1].length <= most
        found = [record for part in parts for page, start, end in part.parts for record in page.records[start:end]]
        assert found == records[5:]
