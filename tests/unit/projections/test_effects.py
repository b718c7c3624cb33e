"""Effects: at least once each, in order, and never for what is history."""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from stenogram.domain.concepts.messages import MessagePosted
from stenogram.projections import DocProjection, Meta
from stenogram.projections.runner import effects as module
from stenogram.projections.runner.runner import Runner
from stenogram.testing import command
from stenogram.testing.stage import POLL_S, Stage, stage

NAME = "tally__effects"


class Tally(BaseModel):
    said: int = 0


class World:
    """What effects are done to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.broken = False
        self.moved = asyncio.Event()

    def projection(self, version: int = 1) -> DocProjection[Tally]:
        tally = DocProjection("tally", Tally, version=version)

        @tally.on
        def _(doc: Tally, event: MessagePosted) -> None:
            doc.said += version

        @tally.effect
        async def _(event: MessagePosted, meta: Meta) -> None:
            if self.broken and event.message == "bad":
                raise ConnectionError("no pager")
            self.told.append(f"{event.message} at {meta.version}")
            self.moved.set()

        return tally

    async def until(self, *told: str) -> None:
        async with asyncio.timeout(30):
            while self.told != list(told):
                self.moved.clear()
                await self.moved.wait()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow on each other at once."""
    monkeypatch.setattr(module, "RETRY_AFTER_S", (0.0, 0.0))


async def say(here: Stage, *messages: str, **more: Any) -> None:
    for message in messages:
        await here.log.submit(command("message.post", "s-1", message=message, text="Rooms.", **more))


async def begun(here: Stage) -> None:
    await here.until(lambda builds: any(build.name == NAME and build.state == "current" for build in builds))


async def test_effects_begin_where_the_log_ends_and_go_on_where_they_were() -> None:
    world = World()
    async with stage() as here:
        await here.log.submit(command("session.open", "s-1"))
        await say(here, "old")
        async with here.running(world.projection()):
            await begun(here)
            await say(here, "m1", "m2")
            await world.until("m1 at 3", "m2 at 4")
            await here.caught_up(NAME)
        await say(here, "m3")
        async with here.running(world.projection()):
            await world.until("m1 at 3", "m2 at 4", "m3 at 5")


async def test_building_a_view_anew_has_no_effects() -> None:
    world = World()
    async with stage() as here:
        await here.log.submit(command("session.open", "s-1"))
        async with here.running(world.projection()):
            await begun(here)
            await say(here, "m1", "m2")
            await world.until("m1 at 2", "m2 at 3")
            await here.caught_up(NAME)
        async with here.running(world.projection(version=2)):
            await here.caught_up("tally", 2)
            await say(here, "m3")
            await world.until("m1 at 2", "m2 at 3", "m3 at 4")


async def test_an_effect_that_fails_is_parked_and_can_be_retried_or_skipped() -> None:
    world = World()
    world.broken = True
    async with stage() as here, here.running(world.projection()):
        await here.log.submit(command("session.open", "s-1"))
        await begun(here)
        await say(here, "m1", "bad", "m2")
        await world.until("m1 at 2", "m2 at 4")
        build = await here.caught_up(NAME)
        (parked,) = await here.store.parked(build.id)
        assert (parked.key, parked.error) == ("3", "ConnectionError: no pager")
        world.broken = False
        await here.store.wish(build.id, "3", "retry")
        await world.until("m1 at 2", "m2 at 4", "bad at 3")
        await here.until(lambda builds: not any(build.parked for build in builds))


async def test_the_first_event_after_the_first_start_has_its_effect() -> None:
    world = World()
    async with stage() as here:
        await here.log.submit(command("session.open", "s-1"))
        await say(here, "old")
        runner = Runner(here.log, here.store, [world.projection()], poll=POLL_S)
        await runner.begin_effects()  # as a gateway does before it listens
        await say(here, "m1")
        async with here.running(world.projection()):
            await world.until("m1 at 3")


async def test_an_event_that_comes_while_effects_begin_has_its_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    async with stage() as here:
        await here.log.submit(command("session.open", "s-1"))
        begin = here.store.begin

        async def meanwhile(*arguments: Any) -> Any:
            if arguments[0] == NAME:
                await say(here, "m1")
            return await begin(*arguments)

        monkeypatch.setattr(here.store, "begin", meanwhile)
        async with here.running(world.projection()):
            await world.until("m1 at 2")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_an_effect_that_raises_no_exception_is_parked_alone(error: BaseException) -> None:
    world = World()
    projection = world.projection()

    @projection.effect
    async def _(event: MessagePosted) -> None:
        if event.message == "bad":
            raise error

    async with stage() as here, here.running(projection):
        await here.log.submit(command("session.open", "s-1"))
        await begun(here)
        await say(here, "bad", "m1")
        build = await here.caught_up(NAME)
        (parked,) = await here.store.parked(build.id)
        assert (parked.key, parked.error.split(":")[0]) == ("2", type(error).__name__)
        assert world.told[-1] == "m1 at 3"


async def test_what_is_not_for_everyone_has_no_effect() -> None:
    world = World()
    async with stage() as here, here.running(world.projection()):
        await here.log.submit(command("session.open", "s-1"))
        await begun(here)
        await say(here, "secret", audience=["agents"])
        await say(here, "open")
        await world.until("open at 3")


async def test_an_effect_is_a_coroutine_function_of_an_event() -> None:
    projection: Any = DocProjection("tally", Tally)

    def plain(event: MessagePosted) -> None: ...
    async def bare(event) -> None: ...  # type: ignore[no-untyped-def]

    with pytest.raises(TypeError, match="is a coroutine function"):
        projection.effect(plain)
    with pytest.raises(TypeError, match="should be annotated with a payload class"):
        projection.effect(bare)
    with pytest.raises(ValueError, match="is no name of a projection"):
        DocProjection("tally__effects", Tally)
