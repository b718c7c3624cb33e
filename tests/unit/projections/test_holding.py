"""A build that is far behind is written seldom, and comes to the same as one that is written with every page."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.log.records import Append, Draft
from stenogram.projections import DocProjection, Meta, Rows, TableProjection
from stenogram.projections.authoring import meta as metas
from stenogram.projections.runner import decoded_page, log_reader, worker, working_set
from stenogram.projections.store import Build, Commit
from stenogram.testing.stage import Stage, stage

PAGE, EVENTS = 10, 300


class Tally(BaseModel):
    said: list[str] = []


class Count(BaseModel):
    session: str
    tens: int
    messages: int = 0


def tally(name: str = "tally", bad: tuple[str, ...] = ()) -> DocProjection[Tally]:
    projection = DocProjection(name, Tally)

    @projection.on
    def _(doc: Tally, event: MessagePosted) -> None:
        doc.said.append(event.message)
        if event.message in bad:
            raise ValueError(event.message)

    return projection


def counts() -> TableProjection[Count]:
    projection = TableProjection("counts", Count, key_columns=("session", "tens"))

    @projection.on
    def _(rows: Rows[Count], event: MessagePosted, meta: Meta) -> None:
        for tens in (meta.version // 10, -1):
            rows.add(meta.session, tens, messages=1)

    return projection


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "BATCH", PAGE)
    monkeypatch.setattr(log_reader, "PATIENCE_S", 600.0)  # builds do not part because the machine is slow


async def post(here: Stage, first: int, events: int) -> None:
    """Messages of three sessions, by turns."""
    data = (
        '{"id":"e%d","type":"message.posted","time":"2026-01-01T00:00:00.000000Z","actor":"ada",'
        '"data":{"message":"m%d","parts":[{"kind":"text","text":"Rooms."}]}}'
    )
    for n in range(first, first + events):
        draft = Draft("message.posted", f"message:m{n}", (data % (n, n)).encode(), 0)
        await here.log.append(Append(f"s-{n % 3}", (draft,)))


def noted(here: Stage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The commits that take effect from now on, each by its build's name and its place."""
    write, commits = here.store.commit, list[tuple[str, int]]()

    async def note(build: Build, commit: Commit) -> None:
        await write(build, commit)
        commits.append((build.name, commit.to.position))

    monkeypatch.setattr(here.store, "commit", note)
    return commits


async def test_a_build_that_is_far_behind_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as here:
        await post(here, 0, EVENTS)
        commits = noted(here, monkeypatch)
        async with here.running(tally(), counts()):
            await here.caught_up("tally")
            await here.caught_up("counts")
            assert sorted(commits) == [("counts", EVENTS), ("tally", EVENTS)]
            await post(here, EVENTS, 3)
            await here.caught_up("tally")
            await here.caught_up("counts")
            assert await said(here) == {n: posted(n, EVENTS + 3) for n in range(3)}
            rows = await here.view(counts())
    assert sum(row.messages for (_, tens), row in rows.items() if tens == -1) == EVENTS + 3
    assert sum(row.messages for (_, tens), row in rows.items() if tens != -1) == EVENTS + 3


async def test_at_first_it_is_written_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "HOLD_FIRST", 20)
    monkeypatch.setattr(worker, "HOLD_EVENTS", 80)
    async with stage() as here:
        await post(here, 0, EVENTS)
        commits = noted(here, monkeypatch)
        async with here.running(tally()):
            await here.caught_up("tally")
    assert [position for _, position in commits] == [20, 60, 140, 220, 300]


@pytest.mark.parametrize(("limit", "value"), [("HOLD_EVENTS", 100), ("HOLD_BYTES", 10_000), ("HOLD_CHANGES", 1)])
async def test_it_is_written_when_much_is_held(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(worker, limit, value)
    async with stage() as here:
        await post(here, 0, EVENTS)
        commits = noted(here, monkeypatch)
        async with here.running(tally()):
            await here.caught_up("tally")
    assert 3 <= len(commits) <= EVENTS // PAGE
    assert commits[-1] == ("tally", EVENTS)


async def test_what_fails_amid_what_is_held_parks_its_key_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage() as here:
        await post(here, 0, 3)
        async with here.running(tally()):
            await here.caught_up("tally")
        await post(here, 3, EVENTS)
        commits = noted(here, monkeypatch)
        async with here.running(tally(bad=("m155",))):
            build = await here.caught_up("tally")
            (parked,) = await here.store.parked(build.id)
        assert (parked.key, parked.position) == ("s-2", 156)
        assert await said(here) == {n: posted(n, 155 if n == 2 else EVENTS + 3) for n in range(3)}
    places = [position for _, position in commits]
    assert places == sorted(set(places)), "none twice, none back"
    assert "parked 's-2' at position 156: ValueError: m155" in caplog.text


async def test_a_strict_build_stops_at_what_fails_with_all_before_it_stored() -> None:
    async with stage() as here:
        await post(here, 0, EVENTS)
        async with here.running(tally(bad=("m155",)), counts()):
            builds = await here.until(lambda builds: [each for each in builds if each.stopped])
            (stopped,) = [each for each in builds if each.stopped]
            await here.caught_up("counts")
        assert stopped.checkpoint.position == 155
        await here.store.promote(stopped.id)
        assert await said(here) == {n: posted(n, 155) for n in range(3)}


async def test_what_cannot_be_stored_amid_what_is_held_parks_its_key_alone() -> None:
    odd = tally()

    @odd.on
    def _(doc: Tally, event: MessagePosted) -> None:
        if event.message == "m155":
            doc.said.append(5)  # type: ignore[arg-type]

    async with stage() as here:
        await post(here, 0, 3)
        async with here.running(tally()):
            await here.caught_up("tally")
        await post(here, 3, EVENTS)
        async with here.running(odd):
            build = await here.caught_up("tally")
            (parked,) = await here.store.parked(build.id)
    assert (parked.key, parked.position) == ("s-2", 156)


async def test_builds_that_are_behind_at_different_places_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, reads = list[int](), list[int]()

    def read(record: Any) -> Any:
        decoded.append(record.position)
        return metas.read(record)

    async with stage() as here:
        await post(here, 0, 14)
        async with here.running(tally("one")):
            await here.caught_up("one")
        await post(here, 14, 3)
        async with here.running(tally("two")):
            await here.caught_up("two")
        await post(here, 17, EVENTS)
        monkeypatch.setattr(decoded_page, "read", read)
        read_log = here.log.engine.read_log

        async def noted_read(after: int, limit: int) -> Any:
            reads.append(after)
            await asyncio.sleep(0.002)  # a disk, in which one may come before another
            return await read_log(after, limit)

        monkeypatch.setattr(here.log.engine, "read_log", noted_read)
        names = ("one", "two", "three")
        async with here.running(*map(tally, names)):
            for name in names:
                await here.caught_up(name)
    assert len(decoded) <= EVENTS + 2 * 17, "each of those that all three lacked once"
    assert len(reads) <= EVENTS // PAGE + 12


async def test_what_was_dropped_from_memory_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working_set, "MOST_VALUES", 1)
    monkeypatch.setattr(worker, "HOLD_EVENTS", 20)
    async with stage() as here:
        await post(here, 0, EVENTS)
        async with here.running(tally(), counts()):
            await here.caught_up("tally")
            await here.caught_up("counts")
        assert await said(here) == {n: posted(n, EVENTS) for n in range(3)}
        rows = await here.view(counts())
    assert [rows[f"s-{n}", -1].messages for n in range(3)] == [100, 100, 100]


async def said(here: Stage) -> dict[int, list[str]]:
    return {int(key[2:]): doc.said for key, doc in (await here.view(tally())).items()}


def posted(session: int, events: int) -> list[str]:
    return [f"m{n}" for n in range(session, events, 3)]
