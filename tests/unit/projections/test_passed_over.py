"""Events that a projection does not get, because they are not for everyone in their session, are counted and told."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.audience import Viewer
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.concepts.presence import PresenceJoined
from stenogram.domain.ids import Position
from stenogram.projections import DocProjection, Meta, Rows, TableProjection, fold
from stenogram.projections.runner.passed_over import PassedOver
from stenogram.testing import command, event, given
from stenogram.testing.stage import Stage, stage


class Tally(BaseModel):
    said: int = 0


class Line(BaseModel):
    session: str
    message: str


def tally(version: int = 1, poison: str = "") -> DocProjection[Tally]:
    projection = DocProjection("tally", Tally, version=version)

    @projection.on
    def _(doc: Tally, event: MessagePosted) -> None:
        doc.said += 1
        if event.message == poison:
            raise ValueError(poison)

    return projection


def for_everyone() -> DocProjection[Tally]:
    projection = tally(version=2)
    projection.shown_to_everyone()
    return projection


def posted(message: str = "m1") -> MessagePosted:
    return MessagePosted.model_validate({"message": message, "parts": [{"kind": "text", "text": "Rooms."}]})


OPEN, SECRET = event(posted("m1")), event(posted("m2"), version=2, audience=("users",))


def test_a_failing_sentence_says_that_events_were_passed_over() -> None:
    with pytest.raises(AssertionError, match=r"passed over 1 of the events.*shown_to_everyone\(\)"):
        given(tally(), OPEN, SECRET).then(Tally(said=2))
    with pytest.raises(AssertionError, match="passed over 1 of the events"):
        given(tally(), SECRET).then_at("s-1", Tally(said=1))
    with pytest.raises(AssertionError) as nothing_passed:
        given(tally(), OPEN).then(Tally(said=2))
    assert "passed over" not in str(nothing_passed.value)


def test_what_is_passed_over_can_be_said() -> None:
    joined = event(PresenceJoined(participant="ada", kind="user"), version=3, audience=("users",))
    assert given(tally(), OPEN, SECRET, joined).passed_over == 1, "nobody handles that somebody joined"
    given(tally(), OPEN, SECRET).then_passed_over(1)
    with pytest.raises(AssertionError, match="passes over 1 events, not 0"):
        given(tally(), OPEN, SECRET).then_passed_over(0)


def test_one_line_has_them_folded_for_everyone() -> None:
    given(for_everyone(), OPEN, SECRET).then(Tally(said=2)).then_passed_over(0).then_same()
    seen = for_everyone().seen
    assert seen is not None
    assert seen(Tally(said=2), Viewer("ada", "agent")) == Tally(said=2)
    rows = TableProjection("lines", Line, key_columns=("session", "message"))
    rows.shown_to_everyone()

    @rows.on
    def _(rows: Rows[Line], event: MessagePosted, meta: Meta) -> None:
        rows.upsert(Line(session=meta.session, message=event.message))

    given(rows, SECRET).then(Line(session="s-1", message="m2"))


def test_an_event_counts_once_with_the_step_that_passes_it() -> None:
    passed = PassedOver()
    for position in (3, 5, 5, 3, 9):
        passed.add(Position(position))
    assert [passed.until(Position(each)) for each in (4, 8, 8, 9, 9)] == [1, 1, 0, 1, 0]


async def say(here: Stage, *messages: str, session: str = "s-1", to: Any = None) -> None:
    more: dict[str, Any] = {} if to is None else {"audience": [to]}
    for each in messages:
        await here.log.submit(command("message.post", session, message=each, text="Rooms.", **more))


async def counted(here: Stage, version: int = 1) -> int:
    await here.caught_up("tally", version)
    async with asyncio.timeout(30):
        while True:
            builds = [each for each in await here.store.builds() if (each.name, each.version) == ("tally", version)]
            if builds[-1].checkpoint.position >= here.log.position:
                return builds[-1].passed_over
            await asyncio.sleep(0.01)


async def test_a_runner_counts_them_in_its_builds() -> None:
    async with stage() as here:
        await here.log.submit(command("session.open", "s-1"))
        async with here.running(tally()):
            await say(here, "m1", "m2", to="users")
            await say(here, "m3")
            assert await counted(here) == 2
        await say(here, "m4", to="ada")
        async with here.running(tally()):
            assert await counted(here) == 3
            assert (await here.view(tally()))["s-1"] == Tally(said=1)
        async with here.running(for_everyone()):
            assert await counted(here, 2) == 0
            assert (await here.view(for_everyone())) == fold(for_everyone(), await here.events())


async def test_what_is_folded_again_after_a_failure_counts_once() -> None:
    async with stage() as here:
        await here.log.submit(command("session.open", "s-1"))
        await here.log.submit(command("session.open", "s-2"))
        async with here.running(tally(poison="m3")):
            await here.caught_up("tally")
            await asyncio.gather(
                say(here, "m1", "m2", to="users"), say(here, "m3"), say(here, "m5", "m6", session="s-2", to="users")
            )
            assert await counted(here) == 4
            (parked,) = await here.store.parked((await here.store.builds())[0].id)
            assert parked.key == "s-1"


async def test_what_a_fork_shares_counts_with_its_origin() -> None:
    async with stage() as here:
        await here.log.submit(command("session.open", "s-1"))
        await say(here, "m1", "m2", to="users")
        await here.log.submit(command("session.fork", "fork", origin="s-1"))
        await say(here, "m3", session="fork", to="users")
        async with here.running(tally()):
            assert await counted(here) == 3
