"""Views of forks: whatever is kept by session holds what a fork shares with its origin, once, as its readers see it."""

import asyncio
import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.audience import Viewer
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.envelope import decode
from stenogram.domain.errors import ViewsFailed
from stenogram.domain.model import Event, EventData
from stenogram.projections import DocProjection, Meta, Rows, TableProjection, fold
from stenogram.projections.authoring.projection import Projection
from stenogram.projections.runner import log_reader, worker
from stenogram.projections.runner.checkpoints import OtherLog, check_log
from stenogram.projections.store import Build, Commit
from stenogram.projections.verify import verify
from stenogram.projections.views import BUILT_IN
from stenogram.projections.views.transcript import transcript
from stenogram.testing import command
from stenogram.testing.stage import Stage, stage


class Tally(BaseModel):
    """Shows an event that was folded twice, or not at all, or out of turn."""

    said: list[str] = []
    chain: int = 0


class Line(BaseModel):
    session: str
    actor: str
    count: int = 0
    last: int = 0


def tally(fails: Callable[[str, str], bool] = lambda session, message: False, **options: Any) -> DocProjection[Tally]:
    """Notes what everyone may read; fails where it is told."""
    projection = DocProjection("tally", Tally, **options)

    @projection.on
    def _(doc: Tally, event: EventData, meta: Meta) -> None:
        doc.chain = (doc.chain * 31 + meta.version) % 1_000_000_007

    @projection.on
    def _(doc: Tally, event: MessagePosted, meta: Meta) -> None:
        doc.said.append(event.message)
        if fails(meta.session, event.message):
            raise ValueError(event.message)

    return projection


def lines() -> TableProjection[Line]:
    projection = TableProjection("lines", Line, key_columns=("session", "actor"))

    @projection.on
    def _(rows: Rows[Line], event: MessagePosted, meta: Meta) -> None:
        rows.add(meta.session, meta.actor, count=1)
        rows.update(meta.session, meta.actor, last=meta.version)

    return projection


ALL: list[Projection[Any, Any]] = [tally(), lines(), *BUILT_IN]


async def say(here: Stage, session: str, *messages: str, by: str = "hotels", **more: Any) -> None:
    for message in messages:
        await here.log.submit(command("message.post", session, by=by, message=message, text="Rooms.", **more))


async def fork(here: Stage, session: str, origin: str, at: int) -> None:
    await here.log.submit(command("session.fork", session, origin=origin, at=at))


async def origin(here: Stage) -> None:
    """Session `a`, of 14 events, in the midst of things."""
    await here.log.submit(command("session.open", "a"))
    await here.log.submit(command("presence.join", "a"))
    await say(here, "a", *[f"m{number}" for number in range(8)])
    await say(here, "a", "secret", audience=["agents"])
    await here.log.submit(command("task.create", "a", task="t-1", title="T"))
    await here.log.submit(command("task.claim", "a", task="t-1"))
    await here.log.submit(command("message.start", "a", message="open"))


async def forks(here: Stage) -> None:
    """Forks of it, one of a fork, and what goes on in each."""
    await fork(here, "b", "a", at=14)
    await say(here, "b", "b1", by="flights")
    await asyncio.gather(fork(here, "c", "b", at=12), fork(here, "d", "a", at=3), say(here, "a", "later"))
    await say(here, "c", "c1")
    await fork(here, "e", "c", at=13)


async def as_read(here: Stage, *sessions: str) -> list[Event]:
    """The events of sessions as their readers see them."""
    records = [record for session in sessions for record in await here.log.read_session(session, 0, 1_000)]
    return [decode(record.data, record.position, record.session, record.version) for record in records]


async def assert_whole(here: Stage, projections: Iterable[Projection[Any, Any]] = ALL) -> None:
    """Each view holds what its sessions come to, read whole, and is verified to."""
    events = await as_read(here, "a", "b", "c", "d", "e")
    for projection in projections:
        await here.caught_up(projection.name)
        view = await here.view(projection)
        assert view == fold(projection, events), projection.name
        assert view == fold(projection, await here.events()), projection.name
        assert (await verify(here.log, here.store, projection)).wrong == 0
    sampled = await verify(here.log, here.store, tally(), sample=5)
    assert (sampled.values, sampled.wrong) == (5, 0)


@pytest.fixture(params=[1, 4, 1_000], autouse=True)
def batch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Histories that are longer than a page, and shorter."""
    monkeypatch.setattr(log_reader, "BATCH", request.param)


async def test_a_view_of_a_fork_is_kept_as_it_is_read() -> None:
    async with stage() as here, here.running(*ALL):
        await origin(here)
        await forks(here)
        await assert_whole(here)
        assert (await here.view(tally()))["e"].said == ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7"]


async def test_and_when_it_is_built_anew() -> None:
    async with stage() as here:
        await origin(here)
        await forks(here)
        async with here.running(*ALL):
            await assert_whole(here)


async def test_what_is_for_some_stays_so() -> None:
    async with stage() as here, here.running(*ALL):
        await origin(here)
        await forks(here)
        await here.caught_up("tally")
        assert "secret" not in (await here.view(tally()))["b"].said
        await here.caught_up("transcript")
        entry = (await here.view(transcript))["b", "message:secret"]
        assert transcript.seen is not None
        assert transcript.seen(entry, Viewer("ada", "user")) is None
        assert transcript.seen(entry, Viewer("taxis", "agent")) == entry


@pytest.mark.parametrize("key", ["actor", lambda event, meta: meta.session])
async def test_by_any_other_key_what_happened_once_counts_once(key: Any) -> None:
    projection = tally(key=key)
    async with stage() as here, here.running(projection):
        await origin(here)
        await forks(here)
        await here.caught_up("tally")
        said = [message for doc in (await here.view(projection)).values() for message in doc.said]
        assert sorted(said) == sorted([*[f"m{number}" for number in range(8)], "b1", "c1", "later"])
        assert (await verify(here.log, here.store, projection)).wrong == 0


async def test_what_a_fork_shares_has_no_effects() -> None:
    done: list[str] = []
    projection = tally()

    @projection.effect
    async def _(event: MessagePosted, meta: Meta) -> None:
        done.append(f"{meta.session} {event.message}")

    async with stage() as here, here.running(projection):
        await here.until(lambda builds: any(build.name == "tally__effects" for build in builds))
        await here.caught_up("tally__effects")
        await origin(here)
        await forks(here)
        await here.caught_up("tally__effects")
        assert done == [*[f"a m{number}" for number in range(8)], "b b1", "a later", "c c1"]


@pytest.mark.parametrize("seed", range(4))
async def test_it_is_folded_once_however_often_commits_fail(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before they are written, or after, when nobody is told."""
    chance = random.Random(seed)
    async with stage() as here:
        write = here.store.commit

        async def failing(build: Build, commit: Commit) -> None:
            if chance.random() < 0.2:
                raise ViewsFailed("no disk")
            await write(build, commit)
            if chance.random() < 0.2:
                raise ViewsFailed("no answer")

        monkeypatch.setattr(here.store, "commit", failing)
        await origin(here)
        if seed % 2:
            await forks(here)
        async with here.running(tally(), lines(), poll=0.002):
            if not seed % 2:
                await forks(here)
            await assert_whole(here, [tally(), lines()])


async def test_a_view_with_half_of_what_a_fork_shares_is_verified_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "BATCH", 4)
    monkeypatch.setattr(worker, "HOLD_EVENTS", 4)
    async with stage() as here:
        write = here.store.commit

        async def until_half(build: Build, commit: Commit) -> None:
            if commit.to.shared > 8:
                raise ViewsFailed("no disk")
            await write(build, commit)

        async with here.running(tally(), lines()):
            await origin(here)
            await here.caught_up("tally")
            await here.caught_up("lines")
            monkeypatch.setattr(here.store, "commit", until_half)
            await forks(here)
            await here.until(lambda builds: all(build.checkpoint.shared == 8 for build in builds))
            assert len((await here.view(tally()))["b"].said) == 6
            cases: list[tuple[Projection[Any, Any], int | None]] = [(tally(), None), (tally(), 5), (lines(), None)]
            for projection, sample in cases:
                verified = await verify(here.log, here.store, projection, sample=sample)
                assert (verified.values, verified.wrong) == (2, 0)
            (build, _) = await here.store.builds()
            await check_log(here.log, build.checkpoint)
            with pytest.raises(OtherLog):
                await check_log(here.log, build.checkpoint._replace(digest="another fork"))
            monkeypatch.setattr(here.store, "commit", write)
            await assert_whole(here, [tally(), lines()])


async def test_what_fails_in_a_fork_parks_the_fork_alone_and_is_retried_whole() -> None:
    bad = [True]
    projection = tally(fails=lambda session, message: bad[0] and (session, message) == ("b", "m4"))
    async with stage() as here, here.running(projection):
        await origin(here)
        await here.caught_up("tally")
        await forks(here)
        build = await here.caught_up("tally")
        (parked,) = await here.store.parked(build.id)
        assert (parked.key, parked.position, parked.error) == ("b", 7, "ValueError: m4")
        view = await here.view(projection)
        assert view["b"].said == ["m0", "m1", "m2", "m3"]
        assert view["c"].said[-1] == "c1"
        assert (await verify(here.log, here.store, projection)).wrong == 0
        bad[0] = False
        await here.store.wish(build.id, "b", "retry")
        await here.until(lambda builds: not builds[0].parked)
        await assert_whole(here, [tally()])


async def test_a_retry_waits_until_the_fork_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [True]
    projection = tally(fails=lambda session, message: bad[0] and (session, message) == ("b", "m4"))
    monkeypatch.setattr(log_reader, "BATCH", 1)
    async with stage() as here, here.running(projection) as runner:
        await origin(here)
        await here.caught_up("tally")
        write = here.store.commit

        async def and_retry(build: Build, commit: Commit) -> None:
            """Ask for a retry while the fork is on its way in."""
            await write(build, commit)
            if commit.park and commit.to.shared and bad[0]:
                bad[0] = False
                await here.store.wish(build.id, "b", "retry")
                runner._working[build.id].look_for_wishes()

        monkeypatch.setattr(here.store, "commit", and_retry)
        await forks(here)
        await here.until(lambda builds: builds[0].checkpoint.position == here.log.position and not builds[0].parked)
        assert not bad[0]
        await assert_whole(here, [tally()])


@pytest.mark.parametrize("wish", ["retry", "skip"])
async def test_a_build_stops_within_what_a_fork_shares(wish: Any) -> None:
    bad = [True]
    projection = tally(fails=lambda session, message: bad[0] and (session, message) == ("b", "m4"))
    async with stage() as here:
        await origin(here)
        await forks(here)
        async with here.running(projection):
            (build,) = await here.until(lambda builds: builds and builds[0].stopped)
            assert (build.checkpoint.position, build.checkpoint.shared) == (14, 6)
            bad[0] = wish == "skip"
            await here.store.wish(build.id, "b", wish)
            await here.caught_up("tally")
            view = await here.view(projection)
            left_out = ["m4"] if wish == "skip" else []
            assert [each for each in view["c"].said if each not in view["b"].said] == [*left_out, "c1"]
            assert not (await here.store.builds())[0].parked
