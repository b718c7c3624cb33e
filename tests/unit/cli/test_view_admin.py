"""What operators do with views while agents write."""

import asyncio
from itertools import count

import pytest
from pydantic import BaseModel

from stenogram.cli.projections.view_admin import ViewAdmin
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.errors import Conflict
from stenogram.projections import DocProjection
from stenogram.testing import command
from stenogram.testing.stage import Stage, stage


class Tally(BaseModel):
    said: int = 0


def tally(version: int = 1) -> DocProjection[Tally]:
    projection = DocProjection("tally", Tally, version=version)

    @projection.on
    def _(doc: Tally, event: MessagePosted) -> None:
        doc.said += 1

    return projection


async def keep_writing(here: Stage) -> None:
    for number in count():
        await here.log.submit(command("message.post", "s-1", message=f"m{number}", text="Rooms."))


async def test_a_build_is_promoted_while_agents_write() -> None:
    """It is always some events behind the log then, and so is what readers see."""
    async with stage() as here, here.running(tally()), asyncio.TaskGroup() as tasks:
        await here.log.submit(command("session.open", "s-1"))
        await here.caught_up("tally")
        writing = tasks.create_task(keep_writing(here))
        async with here.running(tally(2), promote=False):
            await here.until(lambda builds: [each.state for each in builds] == ["current", "building"])
            promoted = await ViewAdmin(here.log, here.store).promote("tally", None, anyway=False)
            now = await here.store.current("tally")
            assert now is not None
            assert (now.id, now.version) == (promoted.id, 2)
        writing.cancel()


async def test_a_build_that_has_not_caught_up_is_not_promoted() -> None:
    async with stage() as here:
        async with here.running(tally()):
            await here.log.submit(command("session.open", "s-1"))
            old = await here.caught_up("tally")
        await here.store.begin("tally", 2, tally(2).shape, here.log.epoch)
        with pytest.raises(Conflict):
            await ViewAdmin(here.log, here.store).promote("tally", None, anyway=False)
        now = await here.store.current("tally")
        assert now is not None
        assert now.id == old.id
        assert (await ViewAdmin(here.log, here.store).promote("tally", None, anyway=True)).version == 2
