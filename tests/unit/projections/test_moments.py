"""The past of a view: any version or time equals a fold of the events up to there, whatever snapshots there are."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.errors import BadCursor, FoldFailed, Invalid, NotFound, TooLarge
from stenogram.log.records import Append, Draft
from stenogram.projections import DELETE, DocProjection, Meta, Projection, Rows, TableProjection, fold, moment_fold
from stenogram.projections.authoring.fingerprint import fingerprint
from stenogram.projections.moment_fold import SNAPSHOT_EVERY_EVENTS
from stenogram.projections.moments import Moments
from stenogram.projections.store.records import Snapshot
from stenogram.testing.stage import Stage, stage

START = datetime(2026, 1, 1, tzinfo=UTC)


class Notes(BaseModel):
    last: str = ""
    count: int = 0
    text: str = ""


class Line(BaseModel):
    message: str
    version: int = 0
    edits: int = 0


def notes(grow: int = 0, wrong: Callable[[str], bool] = lambda _: False) -> DocProjection[Notes]:
    projection = DocProjection("notes", Notes)

    @projection.on
    def _(doc: Notes, event: MessagePosted) -> Any:
        if wrong(event.message):
            raise ValueError(event.message)
        doc.last = event.message
        doc.count += 1
        doc.text += "x" * grow
        return DELETE if event.message.endswith("777") else None

    return projection


def lines() -> TableProjection[Line]:
    projection = TableProjection("lines", Line, key_columns=("message",))

    @projection.on
    def _(rows: Rows[Line], event: MessagePosted, meta: Meta) -> None:
        number = int(event.message[1:])
        if number % 3:
            rows.upsert(Line(message=f"m{number % 50}", version=meta.version))
        else:
            rows.add(f"m{number % 50 + 1}", edits=1) if number > 100 else None

    return projection


def other() -> DocProjection[Notes]:
    projection = DocProjection("notes", Notes)

    @projection.on
    def _(doc: Notes, event: MessagePosted) -> None:
        doc.last = f"another {event.message}"

    return projection


async def write(here: Stage, number: int, session: str = "s-1") -> None:
    """One event each second, two sessions in turns."""
    template = (
        '{"id":"%s-%d","type":"message.posted","time":"%s","actor":"ada",'
        '"data":{"message":"m%d","parts":[{"kind":"text","text":"Rooms."}]}}'
    )
    drafts = []
    for n in range(number):
        time = START + timedelta(seconds=n)
        data = (template % (session, n, time.isoformat(), n)).encode()
        drafts.append(Draft("message.posted", f"message:m{n}", data, int(time.timestamp() * 1_000_000)))
    for first in range(0, number, 500):
        await here.log.append(Append(session, tuple(drafts[first : first + 500])))
        await here.log.append(Append("other", tuple(drafts[first : first + 5])))


@pytest.mark.parametrize("projection", [notes(), notes(grow=100), lines()], ids=["small", "large", "rows"])
async def test_any_version_is_what_a_fold_up_to_there_comes_to(projection: Projection[Any, Any]) -> None:
    chance = random.Random(7)
    async with stage() as here:
        await write(here, 3_300)
        events = [event for event in await here.events() if event.session == "s-1"]
        moments = Moments(here.log, here.store, projection)
        for version in [3_300, 0, 1, 999, 1_000, 1_001, 778, *[chance.randint(0, 3_300) for _ in range(12)]]:
            then = await moments.at("s-1", version=version)
            assert then.values == fold(projection, events[:version]), version
            assert (then.version, then.position) == (version, events[version - 1].position if version else 0)


async def test_a_time_is_the_last_version_before_it() -> None:
    async with stage() as here:
        await write(here, 40)
        moments = Moments(here.log, here.store, notes())
        for seconds, version in ((-1, 0), (0, 1), (0.5, 1), (17, 18), (1_000, 40)):
            then = await moments.at("s-1", time=START + timedelta(seconds=seconds))
            assert then.version == version, seconds
        assert (await moments.at("s-1")).version == 40


async def test_a_second_question_reads_from_the_snapshot_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as here:
        await write(here, 2_500)
        moments = Moments(here.log, here.store, notes())
        await moments.at("s-1", version=2_400)
        reads: list[int] = []
        read = here.log.engine.read_session

        async def counted(session: str, after: int, limit: int) -> Any:
            records = await read(session, after, limit)
            reads.append(len(records))
            return records

        monkeypatch.setattr(here.log.engine, "read_session", counted)
        then = await moments.at("s-1", version=2_300)
        assert then.value is not None
        assert sum(reads) == 1 + 300


@pytest.mark.parametrize(
    "garbage", [b"", b"null", b"[1,2]", b"digest", b"%s\n[1]", b'%s\n["s-1",1,"{"]', b"%s\n\n", b"%s\n7", b"\xff"]
)
async def test_a_snapshot_that_is_wrong_is_passed_over(garbage: bytes) -> None:
    from stenogram.projections.runner.checkpoints import digest_of

    async with stage() as here:
        await write(here, SNAPSHOT_EVERY_EVENTS + 10)
        (stands,) = await here.log.engine.read_session("s-1", SNAPSHOT_EVERY_EVENTS - 1, 1)
        data = garbage.replace(b"%s", digest_of(stands).encode())
        projection = notes()
        written = fingerprint(projection, here.log.epoch)
        await here.store.keep("notes", written, "s-1", [Snapshot(SNAPSHOT_EVERY_EVENTS, data)])
        moments = Moments(here.log, here.store, projection)
        for _ in range(2):
            assert (await moments.at("s-1", version=SNAPSHOT_EVERY_EVENTS + 5)).value == Notes(
                last=f"m{SNAPSHOT_EVERY_EVENTS + 4}", count=SNAPSHOT_EVERY_EVENTS + 5 - 778
            )


async def test_snapshots_of_changed_code_are_not_used() -> None:
    async with stage() as here:
        await write(here, SNAPSHOT_EVERY_EVENTS + 10)
        await Moments(here.log, here.store, notes()).at("s-1")
        then = await Moments(here.log, here.store, other()).at("s-1")
        assert then.value == Notes(last=f"another m{SNAPSHOT_EVERY_EVENTS + 9}")
        assert fingerprint(notes(), "e") == fingerprint(notes(), "e") != fingerprint(notes(), "f")


async def test_moments_that_there_are_not_are_refused() -> None:
    async with stage() as here:
        await write(here, 5)
        moments = Moments(here.log, here.store, notes())
        with pytest.raises(NotFound):
            await moments.at("s-9")
        for version in (-1, 6):
            with pytest.raises(BadCursor):
                await moments.at("s-1", version=version)
        with pytest.raises(Invalid, match="not kept by session"):
            Moments(here.log, here.store, DocProjection("actors", Notes, key="actor"))
        with pytest.raises(FoldFailed, match="at event 3 of session 's-1'"):
            await Moments(here.log, here.store, notes(wrong=lambda message: message == "m2")).at("s-1")


async def test_a_time_that_is_yet_to_come_is_refused() -> None:
    async with stage() as here:
        await write(here, 5)
        moments = Moments(here.log, here.store, notes())
        assert (await moments.at("s-1", time=datetime.now(UTC))).version == 5
        with pytest.raises(BadCursor, match="yet to come"):
            await moments.at("s-1", time=datetime.now(UTC) + timedelta(hours=1))


@pytest.mark.parametrize("projection", [notes(), notes(grow=100), lines()], ids=["small", "large", "rows"])
async def test_a_moment_goes_on_from_an_earlier_one(
    projection: Projection[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moment_fold, "SNAPSHOT_EVERY_EVENTS", 10**9)
    async with stage() as here:
        await write(here, 2_000)
        moments, none = Moments(here.log, here.store, projection), frozenset[int]()
        earlier = await moments.rows("s-1", 1_700, none)
        before = dict(earlier.packed)
        later = await moments.rows("s-1", 1_950, none, earlier)
        assert later.packed == (await moments.rows("s-1", 1_950, none)).packed
        assert earlier.packed == before, "folding on has changed the moment from which it began"
        assert (later.version, later.size) == (1_950, (await moments.rows("s-1", 1_950, none)).size)


async def test_a_moment_that_would_take_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment_fold, "MAX_MOMENT_BYTES", 100_000)
    async with stage() as here:
        await write(here, 3_000)
        moments = Moments(here.log, here.store, notes(grow=100))
        assert (await moments.at("s-1", version=700)).value is not None
        with pytest.raises(TooLarge, match="ask for an earlier moment"):
            await moments.at("s-1", version=1_777 - 1)


async def test_large_values_leave_no_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moment_fold, "MAX_SNAPSHOT_BYTES", 10_000)
    async with stage() as here:
        await write(here, 1_700)
        moments = Moments(here.log, here.store, notes(grow=100))
        found = await moments.at("s-1", version=1_700)
        assert found.value is not None
        assert found.value.count == 1_700 - 778
        assert await here.store.snapshot("notes", moments.fingerprint, "s-1", 1_700) is None
