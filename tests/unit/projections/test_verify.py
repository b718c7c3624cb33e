"""Verifying finds what is wrong in a view, and nothing else."""

import random
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.errors import Invalid, NotFound
from stenogram.projections import DocProjection, Meta, Rows, TableProjection
from stenogram.projections.store import Commit
from stenogram.projections.verify import verify
from stenogram.testing import command
from stenogram.testing.stage import Stage, stage


class Tally(BaseModel):
    said: int = 0


class Line(BaseModel):
    session: str
    message: str


def tally(version: int = 1, **options: Any) -> DocProjection[Tally]:
    projection = DocProjection("tally", Tally, version=version, **options)

    @projection.on
    def _(doc: Tally, event: MessagePosted) -> None:
        if event.message == "bad":
            raise ValueError("bad")
        doc.said += 1

    return projection


def lines() -> TableProjection[Line]:
    projection = TableProjection("lines", Line, key_columns=("session", "message"))

    @projection.on
    def _(rows: Rows[Line], event: MessagePosted, meta: Meta) -> None:
        rows.upsert(Line(session=meta.session, message=event.message))

    return projection


async def say(here: Stage, session: str, *messages: str) -> None:
    for message in messages:
        await here.log.submit(command("message.post", session, message=message, text="Rooms."))


async def opened(here: Stage, *sessions: str) -> None:
    for session in sessions:
        await here.log.submit(command("session.open", session))
        await say(here, session, "m1", "m2")


async def spoil(here: Stage, *rows: Any, delete: tuple[Any, ...] = ()) -> None:
    """Write into a view behind its runner's back."""
    (build,) = await here.store.builds()
    written = {row[:1]: row for row in rows} | dict.fromkeys(delete)
    commit = Commit(build.id, build.token, build.checkpoint, build.checkpoint, written)
    await here.store.commit(build, commit)


@pytest.mark.parametrize("sample", [None, 2, 100])
async def test_a_good_view_is_found_good(sample: int | None) -> None:
    async with stage() as here, here.running(tally()):
        await opened(here, "s-1", "s-2", "s-3")
        await here.caught_up("tally")
        told: list[tuple[int, int]] = []
        verified = await verify(
            here.log, here.store, tally(), sample=sample, progress=lambda done, total: told.append((done, total))
        )
        assert (verified.wrong, verified.values) == (0, min(sample or 3, 3))
        assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("sample", [None, 3])
async def test_what_is_wrong_is_shown(sample: int | None) -> None:
    async with stage() as here:
        async with here.running(tally()):
            await opened(here, "s-1", "s-2", "s-3")
            await here.caught_up("tally")
        await spoil(here, ("s-1", 3, b'{"said":7}'), delete=(("s-2",),))
        verified = await verify(here.log, here.store, tally(), sample=sample, rng=random.Random(1))
        assert (verified.values, verified.wrong) == (3, 2)
        assert sorted(verified.differences, key=lambda each: str(each.place)) == [
            ("s-1", Tally(said=7), Tally(said=2)),
            ("s-2", None, Tally(said=2)),
        ]


async def test_rows_and_other_keys_are_verified_as_a_whole() -> None:
    async with stage() as here, here.running(lines()):
        await opened(here, "s-1", "s-2")
        await here.caught_up("lines")
        verified = await verify(here.log, here.store, lines())
        assert (verified.values, verified.wrong) == (4, 0)
        with pytest.raises(Invalid, match="not a document for each session"):
            await verify(here.log, here.store, lines(), sample=1)


@pytest.mark.parametrize("sample", [None, 2])
async def test_what_is_parked_is_left_out_on_both_sides(sample: int | None) -> None:
    async with stage() as here, here.running(tally()):
        await opened(here, "s-1", "s-2")
        await here.caught_up("tally")
        await say(here, "s-1", "bad", "m4")
        await here.until(lambda builds: builds[0].parked)
        verified = await verify(here.log, here.store, tally(), sample=sample)
        assert (verified.values, verified.wrong) == (2, 0)


async def test_only_the_version_that_is_shown_is_verified() -> None:
    async with stage() as here:
        with pytest.raises(NotFound):
            await verify(here.log, here.store, tally())
        async with here.running(tally()):
            await opened(here, "s-1")
            await here.caught_up("tally")
            with pytest.raises(Invalid, match="not of version 2"):
                await verify(here.log, here.store, tally(version=2))
