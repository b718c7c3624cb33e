"""Whatever an author's code does, one key is parked and the rest goes on. What is left out is left out everywhere."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.errors import FoldFailed, ViewsFailed
from stenogram.domain.model import EventData
from stenogram.projections import DocProjection, Meta, Rows, TableProjection, fold
from stenogram.projections.moments import Moments
from stenogram.projections.store import Build, Parked
from stenogram.projections.verify import verify
from stenogram.testing import command
from stenogram.testing.stage import Stage, stage

Fault = Callable[[], object]


class Tally(BaseModel):
    said: list[str] = []


class Line(BaseModel):
    name: str
    count: int = 0


class Mute(Exception):
    """Not even what it says can be had."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def raises(error: BaseException) -> Fault:
    def fault() -> object:
        raise error

    return fault


BASE_EXCEPTIONS = [
    raises(SystemExit(3)),
    raises(KeyboardInterrupt()),
    raises(asyncio.CancelledError()),
    raises(GeneratorExit()),
    lambda: sys.exit(1),
    raises(Mute()),
]


def tally(fault: Fault = lambda: None, **options: Any) -> DocProjection[Tally]:
    """Notes what was posted, and fails at `bad`."""
    projection = DocProjection("tally", Tally, **options)

    @projection.on
    def _(doc: Tally, event: MessagePosted) -> None:
        doc.said.append(event.message)
        if event.message == "bad":
            fault()

    return projection


def keyed(key: Callable[[str], Any]) -> DocProjection[Tally]:
    """By a key that is made of each message."""

    def key_of(event: EventData, meta: Meta) -> Any:
        return key(event.message if isinstance(event, MessagePosted) else meta.session)

    return tally(key=key_of)


async def say(here: Stage, session: str, *messages: str) -> None:
    if not await here.log.engine.read_session(session, 0, 1):
        await here.log.submit(command("session.open", session))
    for message in messages:
        await here.log.submit(command("message.post", session, message=message, text="Rooms."))


async def parked_alone(here: Stage, name: str = "tally") -> tuple[Build, Parked]:
    """What is parked once the view has caught up, which is one key."""
    build = await here.caught_up(name)
    (parked,) = await here.store.parked(build.id)
    return build, parked


async def unparked(here: Stage) -> None:
    await here.until(lambda builds: not any(build.parked or build.stopped for build in builds))
    await here.caught_up("tally")


@pytest.mark.parametrize("fault", BASE_EXCEPTIONS)
async def test_what_is_no_exception_parks_one_key(fault: Fault) -> None:
    async with stage() as here, here.running(tally(fault)):
        await say(here, "s-1", "m1")
        await here.caught_up("tally")
        await say(here, "s-1", "bad", "m2")
        await say(here, "s-2", "m3")
        _, parked = await parked_alone(here)
        assert parked.key == "s-1"
        assert parked.error.split(":")[0] in (
            "SystemExit",
            "KeyboardInterrupt",
            "CancelledError",
            "GeneratorExit",
            "Mute",
        )
        view = await here.view(tally())
        assert {key: doc.said for key, doc in view.items()} == {"s-1": ["m1"], "s-2": ["m3"]}


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_what_is_no_exception_does_not_leave_a_fold_on_demand(error: BaseException) -> None:
    async with stage() as here:
        await say(here, "s-1", "bad")
        with pytest.raises(FoldFailed, match=type(error).__name__):
            fold(tally(raises(error)), await here.events())
        with pytest.raises(FoldFailed, match=type(error).__name__):
            fold(keyed(lambda _: raises(error)()), await here.events())
        with pytest.raises(FoldFailed, match=type(error).__name__):
            await Moments(here.log, here.store, tally(raises(error))).at("s-1")


@pytest.mark.parametrize(
    "key",
    [
        lambda: 1 / 0,
        raises(SystemExit()),
        lambda: 7,
        lambda: ["ok", None],
        lambda: "a\0b",
        lambda: "half a pair: \ud800",
        lambda: "x" * 513,
        lambda: "unkeyed:s-1",
        lambda: [[]],
    ],
)
async def test_a_key_that_cannot_be_told_or_stored_parks_the_session_of_its_event(key: Callable[[], Any]) -> None:
    bad = [True]

    def key_of(message: str) -> Any:
        return key() if message == "bad" and bad[0] else "all"

    async with stage() as here, here.running(keyed(key_of)):
        await say(here, "s-2")
        await say(here, "s-1", "m1")
        await here.caught_up("tally")
        await say(here, "s-1", "bad", "m2")
        await say(here, "s-2", "m3")
        build, parked = await parked_alone(here)
        assert (parked.key, parked.session, parked.type) == ("unkeyed:s-1", "s-1", "message.posted")
        assert (await here.view(tally()))["all"].said == ["m1", "m3"]
        assert (await verify(here.log, here.store, keyed(key_of))).differences == []
        bad[0] = False
        await here.store.wish(build.id, parked.key, "retry")
        await unparked(here)
        assert (await here.view(tally()))["all"].said == ["m1", "m3", "bad", "m2"]


async def test_an_event_without_a_key_is_skipped_and_left_out_by_who_verifies() -> None:
    def key_of(message: str) -> Any:
        return 1 / 0 if message == "bad" else "all"

    async with stage() as here, here.running(keyed(key_of)):
        await say(here, "s-1", "m1")
        await here.caught_up("tally")
        await say(here, "s-1", "bad", "m2")
        build, parked = await parked_alone(here)
        await here.store.wish(build.id, parked.key, "skip")
        await unparked(here)
        assert (await here.view(tally()))["all"].said == ["m1", "m2"]
        assert (await verify(here.log, here.store, keyed(key_of))).differences == []


async def test_what_is_parked_twice_is_folded_once() -> None:
    bad = [True]

    def key_of(message: str) -> Any:
        return 1 / 0 if message == "keyless" and bad[0] else "all"

    def fault() -> object:
        return 1 / 0 if bad[0] else None

    projection = tally(fault, key=lambda event, meta: key_of(getattr(event, "message", "")))
    async with stage() as here, here.running(projection):
        await say(here, "s-1", "m1")
        await here.caught_up("tally")
        await say(here, "s-1", "keyless", "m2")
        await say(here, "s-2", "bad", "m3")
        await say(here, "s-1", "m4")
        build = await here.caught_up("tally")
        parked = await here.store.parked(build.id)
        assert {each.key for each in parked} == {"unkeyed:s-1", "all"}
        bad[0] = False
        for each in parked:
            await here.store.wish(build.id, each.key, "retry")
        await unparked(here)
        said = (await here.view(tally()))["all"].said
        assert sorted(said) == sorted(["m1", "keyless", "m2", "bad", "m3", "m4"])


@pytest.mark.parametrize("strict", [True, False], ids=["while it is built", "later"])
async def test_what_was_skipped_is_left_out_of_the_view_its_past_and_its_verification(strict: bool) -> None:
    projection = tally(raises(ValueError("bad")))
    async with stage() as here:
        await say(here, "s-1", *(["m1", "bad", "m2"] if strict else ["m1"]))
        async with here.running(projection):
            if strict:
                (build,) = await here.until(lambda builds: builds and builds[0].stopped)
            else:
                build = await here.caught_up("tally")
                await say(here, "s-1", "bad", "m2")
                await here.until(lambda builds: builds[0].parked)
            with pytest.raises(FoldFailed):
                await Moments(here.log, here.store, projection).at("s-1")
            await here.store.wish(build.id, "s-1", "skip")
            await unparked(here)
            moments = Moments(here.log, here.store, projection)
            now, before, between = [await moments.at("s-1", version=version) for version in (4, 2, 3)]
            assert now.value == (await here.view(projection))["s-1"] == Tally(said=["m1", "m2"])
            assert before.value == between.value == Tally(said=["m1"])
            for sample in (None, 1):
                assert (await verify(here.log, here.store, projection, sample=sample)).differences == []


async def test_a_snapshot_from_before_a_skip_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stenogram.projections.moment_fold.SNAPSHOT_EVERY_EVENTS", 2)
    bad = [False]
    projection = tally(lambda: 1 / 0 if bad[0] else None)
    async with stage() as here, here.running(projection):
        await say(here, "s-1", "m1")
        await here.caught_up("tally")
        bad[0] = True
        await say(here, "s-1", "bad", "m2", "m3")
        build, _ = await parked_alone(here)
        bad[0] = False
        assert (await Moments(here.log, here.store, projection).at("s-1")).value == Tally(
            said=["m1", "bad", "m2", "m3"]
        )
        await here.store.wish(build.id, "s-1", "skip")
        await unparked(here)
        assert (await Moments(here.log, here.store, projection).at("s-1")).value == Tally(said=["m1", "m2", "m3"])


def test_clients_are_not_told_what_an_exception_says() -> None:
    failed = FoldFailed("tally failed at event 3", fault="KeyError: 'secret'", projection="tally")
    assert str(failed) == failed.detail == "tally failed at event 3: KeyError: 'secret'"
    assert "secret" not in str(failed.problem())
    unavailable = ViewsFailed("The file of the views failed.", fault="disk I/O error at /srv")
    assert (str(unavailable), unavailable.problem()["detail"]) == (
        "The file of the views failed. (disk I/O error at /srv)",
        "The file of the views failed.",
    )


@pytest.mark.parametrize("name", ["a\ud800b", "x" * 3_000, "a\0b", "é" * 1_400])
async def test_rows_in_places_that_cannot_be_stored_park_their_session(name: str) -> None:
    lines = TableProjection("lines", Line, key_columns=("name",))

    @lines.on
    def _(rows: Rows[Line], event: MessagePosted) -> None:
        rows.upsert(Line(name=name if event.message == "bad" else event.message))
        rows.add(name if event.message == "bad" else event.message, count=1)

    async with stage() as here, here.running(lines):
        await say(here, "s-1", "m1")
        await here.caught_up("lines")
        await say(here, "s-1", "bad")
        await say(here, "s-2", "m2")
        build, parked = await parked_alone(here, "lines")
        assert (build.parked, parked.key) == (1, "s-1")
        assert [*await here.view(lines)] == [("m1",), ("m2",)]
