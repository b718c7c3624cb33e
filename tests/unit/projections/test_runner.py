"""The runner: views that equal a fresh fold, builds beside each other, parked keys, takeovers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.errors import ConfigurationError, NotFound
from stenogram.domain.ids import Position
from stenogram.domain.model import EventData
from stenogram.log.records import Append, Draft
from stenogram.projections import DELETE, DocProjection, Meta, Rows, TableProjection, fold
from stenogram.projections.authoring.projection import Projection
from stenogram.projections.health import health, healths
from stenogram.projections.runner.runner import Runner
from stenogram.projections.store import Build
from stenogram.testing import command
from stenogram.testing.stage import LAPSE_S, Stage, stage


class Tally(BaseModel):
    said: list[str] = []
    events: int = 0


class Line(BaseModel):
    session: str
    message: str
    actor: str = ""
    seen: int = 0


def tally(version: int = 1, poison: Callable[[str], bool] = lambda _: False, **options: Any) -> DocProjection[Tally]:
    """Notes what was posted; changes the document before it fails at poison."""
    projection = DocProjection("tally", Tally, version=version, **options)

    @projection.on
    def _(doc: Tally, event: EventData) -> None:
        doc.events += 1

    @projection.on
    def _(doc: Tally, event: MessagePosted) -> Any:
        doc.said.append(event.message if version == 1 else event.message.upper())
        if poison(event.message):
            raise ValueError(event.message)
        return DELETE if event.message.startswith("end") else None

    return projection


def lines() -> TableProjection[Line]:
    projection = TableProjection("lines", Line, key_columns=("session", "message"), indexes=[("actor",)])

    @projection.on
    def _(rows: Rows[Line], event: MessagePosted, meta: Meta) -> None:
        rows.upsert(Line(session=meta.session, message=event.message, actor=meta.actor))
        rows.add(meta.session, "all", seen=1)

    return projection


async def say(here: Stage, *messages: str, session: str = "s-1") -> None:
    if await here.log.engine.read_session(session, 0, 1) == []:
        await here.log.submit(command("session.open", session))
    await asyncio.gather(
        *[here.log.submit(command("message.post", session, message=each, text="Rooms.")) for each in messages]
    )


def many(number: int, session: str, first: int = 0) -> Append:
    """Messages as an importer would write them."""
    data = (
        '{"id":"%s-%d","type":"message.posted","time":"2026-01-01T00:00:00.000000Z","actor":"ada",'
        '"data":{"message":"m%d","parts":[{"kind":"text","text":"Rooms."}]}}'
    )
    made = [(data % (session, n, n)).encode() for n in range(first, first + number)]
    return Append(session, tuple(Draft("message.posted", f"message:m{n}", each, 0) for n, each in enumerate(made)))


async def assert_folded(here: Stage, *projections: Projection[Any, Any]) -> None:
    """Readers see what a fresh fold of the log comes to."""
    for projection in projections:
        await here.caught_up(projection.name, projection.version)
        assert await here.view(projection) == fold(projection, await here.events())


async def fails_with(here: Stage, build: Build, error: str) -> None:
    """Wait until a key is parked for this, and nobody has asked for anything yet."""
    async with asyncio.timeout(30):
        while True:
            parked = await here.store.parked(build.id)
            if [(each.error, each.wish) for each in parked] == [(error, None)]:
                return
            await asyncio.sleep(0.01)


def position_of(builds: list[Build], version: int) -> int:
    return next(build.checkpoint.position for build in builds if build.version == version)


async def test_views_follow_the_log() -> None:
    async with stage() as here, here.running(tally(), lines()):
        await say(here, "m1", "m2")
        await assert_folded(here, tally(), lines())
        await say(here, "m3", "m4", session="s-2")
        await say(here, "m5", "end", "m6")
        await assert_folded(here, tally(), lines())
        assert {verdict.verdict for verdict in await healths(here.log, here.store)} == {"healthy"}


async def test_a_build_tells_what_remains_and_readers_former_one_is_not_forgotten() -> None:
    async with stage() as here:
        await say(here, "m1")
        async with here.running(tally()):
            old = await here.caught_up("tally")
        async with here.running(tally(2)):
            build = await here.caught_up("tally", 2)
        (told,) = await healths(here.log, here.store)
        assert (told.build.id, told.behind) == (build.id, 0)
        behind = health(build._replace(rate=50.0), Position(build.checkpoint.position + 100))
        assert (told.remaining, behind.behind, behind.remaining) == (0.0, 100, 2.0)
        assert health(build._replace(rate=50.0, held=False), Position(100)).remaining is None
        seen = await healths(here.log, here.store, retired=True)
        assert [(each.build.id, each.build.state) for each in seen] == [(old.id, "retired"), (build.id, "current")]
        assert (seen[0].verdict, seen[0].remaining) == ("healthy", None)
        assert "readers saw it until" in seen[0].why


async def test_a_long_log_is_folded_in_batches_before_readers_see_anything() -> None:
    async with stage() as here:
        for n in range(7):
            await here.log.append(many(700, f"s-{n}"))
        async with here.running(tally(), lines(), tally(version=2, key=lambda event, meta: ["all", meta.session])):
            with pytest.raises(NotFound):
                await here.store.get("tally", [("s-1",)])
            await here.caught_up("tally", 2)
            await assert_folded(here, lines())
            everything = await here.view(tally(version=2))
            assert everything["all"].events == 4_900
            assert everything["s-3"].events == 700


async def test_a_short_page_is_not_the_end_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage() as here:
        await here.log.append(many(300, "s-1"))
        read, promote, promoted = here.log.engine.read_log, here.store.promote, list[int]()

        async def short(after: int, limit: int) -> Any:
            return await read(after, min(limit, 7))  # as one of large events is

        async def noted(build: int, **options: Any) -> bool:
            promoted.extend([each.checkpoint.position for each in await here.store.builds()])
            return await promote(build, **options)

        monkeypatch.setattr(here.log.engine, "read_log", short)
        monkeypatch.setattr(here.store, "promote", noted)
        async with here.running(tally()):
            await here.caught_up("tally")
        assert promoted == [300]


async def test_a_runner_goes_on_where_the_last_one_ended() -> None:
    calls: list[str] = []

    def seen(message: str) -> bool:
        calls.append(message)
        return False

    async with stage() as here:
        for batch in (["m1", "m2"], ["m3"], ["m4", "m5"]):
            await say(here, *batch)
            async with here.running(tally(poison=seen)):
                await assert_folded(here, tally())
        assert sorted(calls) == ["m1", "m2", "m3", "m4", "m5"]


async def test_of_two_runners_one_works_and_the_other_takes_over() -> None:
    async with stage() as here, here.running(tally()) as first:
        await say(here, "m1")
        assert (await here.caught_up("tally")).runner == first.id
        async with here.running(tally()) as second:
            await say(here, "m2")
            assert (await here.caught_up("tally")).runner == first.id
            await here.store.leave(first.id)
            builds = await here.until(lambda builds: builds[0].runner == second.id)
            assert builds[0].held
            await say(here, "m3")
            await assert_folded(here, tally())


async def test_a_new_version_is_built_beside_the_old_one() -> None:
    async with stage() as here, here.running(tally()):
        await say(here, "m1", "m2")
        await here.caught_up("tally")
        async with here.running(tally(version=2), promote=False):
            builds = await here.until(lambda builds: [b.state for b in builds] == ["current", "building"])
            await here.until(lambda builds: position_of(list(builds), 2) == here.log.position)
            await say(here, "m3")
            assert (await here.view(tally()))["s-1"].said[:2] == ["m1", "m2"]
            await here.store.promote(builds[1].id)
            await say(here, "m4")
            await assert_folded(here, tally(version=2))
        assert (await here.view(tally(version=2)))["s-1"].said == ["M1", "M2", "M3", "M4"]


async def test_a_first_build_waits_for_no_command() -> None:
    async with stage() as here, here.running(tally(), promote=False):
        await say(here, "m1")
        await assert_folded(here, tally())


async def test_an_older_version_does_not_take_the_view_back() -> None:
    async with stage() as here:
        await say(here, "m1")
        async with here.running(tally(version=2)):
            await here.caught_up("tally", 2)
            async with here.running(tally()):
                await asyncio.sleep(0.1)
                assert [(build.version, build.state) for build in await here.store.builds()] == [(2, "current")]


async def test_who_turned_back_to_the_version_before_is_left_alone() -> None:
    async with stage() as here:
        await say(here, "m1")
        async with here.running(tally()):
            old = await here.caught_up("tally")
        async with here.running(tally(), tally(version=2)):
            await here.caught_up("tally", 2)
            await here.store.promote(old.id)
            await say(here, "m2")
            await here.caught_up("tally", 1)
            await asyncio.sleep(0.1)
            assert [build.state for build in await here.store.builds()] == ["current", "retired"]
            await assert_folded(here, tally())


async def test_the_same_version_is_built_anew_on_demand() -> None:
    async with stage() as here, here.running(tally()):
        await say(here, "m1")
        old = await here.caught_up("tally")
        new = await here.store.begin("tally", 1, old.shape, here.log.epoch)
        await here.until(lambda builds: [build.state for build in builds] == ["retired", "current"])
        await say(here, "m2")
        await assert_folded(here, tally())
        assert (await here.caught_up("tally")).id == new.id


async def test_a_poison_event_parks_its_key_alone() -> None:
    async with stage() as here:
        await say(here, "m0")
        async with here.running(tally()):
            await here.caught_up("tally")
        async with here.running(tally(poison=lambda message: message == "bad")):
            await say(here, "m1", "bad", "m2")
            await say(here, "m3", session="s-2")
            await here.caught_up("tally")
            view = await here.view(tally())
            assert view["s-1"].said == ["m0", "m1"]
            assert view["s-2"].said == ["m3"]
            (told,) = await healths(here.log, here.store)
            assert (told.verdict, told.build.parked) == ("degraded", 1)
            (parked,) = await here.store.parked(told.build.id)
            assert (parked.key, parked.type, parked.error) == ("s-1", "message.posted", "ValueError: bad")
        async with here.running(tally()):
            await say(here, "m4")
            await here.caught_up("tally")
            assert (await here.view(tally()))["s-1"].said == ["m0", "m1"]
            await here.store.wish(told.build.id, "s-1", "retry")
            await here.until(lambda builds: builds[0].parked == 0)
            await assert_folded(here, tally())


async def test_a_retry_that_fails_again_parks_again_and_a_skip_goes_past() -> None:
    poisoned = tally(poison=lambda message: message in ("bad", "worse"))
    async with stage() as here:
        await say(here, "m0")
        async with here.running(tally()):
            await here.caught_up("tally")
        async with here.running(poisoned):
            await say(here, "bad", "m1", "worse", "m2")
            build = await here.caught_up("tally")
            await here.store.wish(build.id, "s-1", "retry")
            for expected in ("ValueError: bad", "ValueError: worse"):
                await fails_with(here, build, expected)
                await here.store.wish(build.id, "s-1", "skip")
            await here.until(lambda builds: builds[0].parked == 0)
            assert (await here.view(tally()))["s-1"].said == ["m0", "m1", "m2"]


@pytest.mark.parametrize("key", ["session", "actor"])
async def test_what_came_for_a_parked_key_is_folded_page_by_page(key: Any) -> None:
    bad = [True]
    projection = tally(key=key, poison=lambda message: bad[0] and message == "m1500")
    async with stage() as here, here.running(projection):
        await say(here, "m-first", session="s-0")
        await here.caught_up("tally")
        for n in range(4):
            await here.log.append(many(1_000, "s-1", first=n * 1_000))
            await here.log.append(many(50, "s-2", first=n * 50))
        build = await here.caught_up("tally")
        (parked,) = await here.store.parked(build.id)
        bad[0] = False
        await here.store.wish(build.id, parked.key, "retry")
        await here.until(lambda builds: builds[0].parked == 0)
        await assert_folded(here, tally(key=key))


async def test_a_build_that_is_not_current_stops_at_the_event_that_fails() -> None:
    bad = [True]
    projection = tally(poison=lambda message: bad[0] and message == "bad")
    async with stage() as here:
        await say(here, "m1", "bad", "m2")
        async with here.running(projection):
            (build,) = await here.until(lambda builds: builds and builds[0].stopped)
            assert build.state == "building"
            assert "ValueError: bad" in (build.stopped or "")
            assert build.checkpoint.position == 2
            (told,) = await healths(here.log, here.store)
            assert told.verdict == "unhealthy"
            bad[0] = False
            await here.store.wish(build.id, "s-1", "retry")
            await assert_folded(here, tally())
            assert (await here.store.builds())[0].parked == 0


async def test_a_stopped_build_can_skip_the_event() -> None:
    async with stage() as here:
        await say(here, "m1", "bad", "m2")
        async with here.running(tally(poison=lambda message: message == "bad")):
            (build,) = await here.until(lambda builds: builds and builds[0].stopped)
            await here.store.wish(build.id, "s-1", "skip")
            await here.caught_up("tally")
            assert (await here.view(tally()))["s-1"].said == ["m1", "m2"]


async def test_a_log_that_was_made_anew_is_folded_anew(caplog: pytest.LogCaptureFixture) -> None:
    async with stage() as here:
        await say(here, "old-1", "old-2")
        async with here.running(tally()):
            await here.caught_up("tally")
        async with stage(store=here.store) as there:
            await say(there, "new-1")
            async with there.running(tally()):
                await there.until(lambda builds: [build.state for build in builds] == ["retired", "current"])
                await assert_folded(there, tally())
    assert "another epoch" in caplog.text


async def test_other_columns_need_another_version() -> None:
    async with stage() as here:
        await say(here, "m1")
        async with here.running(tally()):
            await here.caught_up("tally")
        async with here.running(tally(indexes=["events"])):
            (build,) = await here.until(lambda builds: builds[0].stopped)
            assert "raise its version" in (build.stopped or "")


async def test_a_runner_that_is_not_heard_of_is_unhealthy_and_loses_its_builds() -> None:
    async with stage() as here:
        await say(here, "m1")
        async with here.running(tally(), poll=60):  # it beats once, and then is silent
            await here.caught_up("tally")
            await asyncio.sleep(LAPSE_S * 1.2)
            (told,) = await healths(here.log, here.store)
            assert (told.verdict, told.behind) == ("unhealthy", 0)
            assert "last heard of" in told.why
            async with here.running(tally()) as other:
                await here.until(lambda builds: builds[0].runner == other.id)
                await say(here, "m2")
                await assert_folded(here, tally())


async def test_two_projections_of_one_name_and_version_are_refused() -> None:
    async with stage() as here:
        with pytest.raises(ConfigurationError, match="same name and version"):
            Runner(here.log, here.store, [tally(), tally()])


async def test_a_fault_of_one_view_is_not_the_others_end(caplog: pytest.LogCaptureFixture) -> None:
    broken = DocProjection("broken", Tally)
    broken.folder = None  # type: ignore[method-assign, assignment]  # a fault in the machinery itself
    async with stage() as here, here.running(broken, lines()):
        await say(here, "m1")
        await assert_folded(here, lines())
    assert "broken version 1 (build 1) failed" in caplog.text
