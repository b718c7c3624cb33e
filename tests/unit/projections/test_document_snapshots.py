"""Snapshots that the runner of a view of documents takes: of what is whole, the fewer the larger, by its code alone."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.projections import DocProjection
from stenogram.projections.authoring.fingerprint import fingerprint
from stenogram.projections.moments import Moments
from stenogram.projections.runner import document_snapshots
from stenogram.testing import command
from stenogram.testing.stage import Stage, stage


class Said(BaseModel):
    messages: list[str] = []
    text: str = ""


def said(fails: Callable[[str], bool] = lambda _: False, grow: int = 0, version: int = 1) -> DocProjection[Said]:
    projection = DocProjection("said", Said, version=version)

    @projection.on
    def _(doc: Said, event: MessagePosted) -> None:
        if fails(event.message):
            raise ValueError(event.message)
        doc.messages.append(event.message)
        doc.text += "x" * grow

    return projection


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_snapshots, "EVERY_EVENTS", 5)


async def say(here: Stage, session: str, *numbers: int) -> None:
    for number in numbers:
        await here.log.submit(command("message.post", session, message=f"m{number}", text="Rooms."))


async def newest(here: Stage, projection: DocProjection[Said], session: str) -> int | None:
    """The version of the newest snapshot."""
    found = await here.store.snapshot(projection.name, fingerprint(projection, here.log.epoch), session, 10**9)
    return None if found is None else found.version


async def opened(here: Stage, *sessions: str) -> None:
    for session in sessions:
        await here.log.submit(command("session.open", session))


async def test_a_document_that_lacks_events_gets_none() -> None:
    projection = said(lambda message: message == "m3")
    async with stage() as here, here.running(projection, promote=True):
        await opened(here, "s-1", "s-2")
        build = await here.caught_up("said")
        for session in ("s-1", "s-2"):
            await say(here, session, *range(12))
        await here.caught_up("said")
        assert await newest(here, projection, "s-1") is None, "it is parked"
        assert await newest(here, projection, "s-2") is None, "so is this one"
        await opened(here, "s-3")
        await say(here, "s-3", 0, 1, *range(4, 14))
        await here.caught_up("said")
        assert (await newest(here, projection, "s-3") or 0) >= 5
        await here.store.wish(build.id, "s-1", "skip")
        await here.until(lambda builds: builds[0].parked == 1)
        await say(here, "s-1", *range(20, 40))
        await here.caught_up("said")
        assert await newest(here, projection, "s-1") is None, "it has left out one"
        then: Any = await Moments(here.log, here.store, projection).at("s-1")
        assert "m3" not in then.value.messages
        assert "m39" in then.value.messages


async def test_a_session_without_a_document_need_not_be_folded_from_its_start() -> None:
    projection = said()
    async with stage() as here, here.running(projection):
        await opened(here, "s-1")
        for number in range(14):
            await here.log.submit(command("state.merge", "s-1", patch={"number": number}))
        await here.caught_up("said")
        assert (await newest(here, projection, "s-1") or 0) >= 5
        assert (await Moments(here.log, here.store, projection).at("s-1")).value is None


async def test_the_larger_a_document_is_the_fewer_are_taken() -> None:
    small, large = said(), said(grow=10**5)
    for projection in (small, large):
        async with stage() as here, here.running(projection):
            await opened(here, "s-1")
            for number in range(60):
                await say(here, "s-1", number)
                await here.caught_up("said")
            version = await newest(here, projection, "s-1") or 0
            assert version >= 55 if projection is small else version <= 30


async def test_those_of_other_code_are_forgotten_once_theirs_is_what_readers_see() -> None:
    old, new = said(), said(version=2)
    async with stage() as here:
        async with here.running(old):
            await opened(here, "s-1")
            await say(here, "s-1", *range(12))
            await here.caught_up("said")
        assert await newest(here, old, "s-1")
        async with here.running(new):
            await here.caught_up("said", version=2)
            assert await newest(here, old, "s-1"), "while others may still read them"
            await say(here, "s-1", *range(20, 32))
            await here.caught_up("said", version=2)
            assert await newest(here, new, "s-1")
            assert await newest(here, old, "s-1") is None
