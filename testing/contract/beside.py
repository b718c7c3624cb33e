"""The contract of a log's engine for what a batch may be written for without any event, and for what is no batch."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ...domain.ids import Position
from ...log.engine import LogMoved
from ...log.records import Batch, GatewayHeartbeat
from .scribe import Line, Scribe

if TYPE_CHECKING:
    from .engine import EngineFactory


async def a_tracking_needs_no_events(factory: "EngineFactory") -> None:
    async with factory() as engine:
        scribe = Scribe(engine)
        await scribe.write(Line())
        await engine.write(Batch(scribe.position, [], {}, {}, {"t-1": Position(5)}, {}))
        assert await engine.read_tracking("t-1") == 5
        assert (await engine.head()).position == 1


async def what_is_live_is_known_by_the_last_batch(factory: "EngineFactory") -> None:
    async with factory() as engine:
        scribe = Scribe(engine)
        lived = scribe.batch(Line("b"), Line("a"), Line("c"))._replace(live={"b": True, "a": True, "c": False})
        await scribe.commit(lived)
        assert await engine.read_live("", 10) == ["a", "b"]
        assert await engine.read_live("a", 10) == ["b"]
        assert await engine.read_live("", 1) == ["a"]
        await scribe.commit(scribe.batch(Line("b"))._replace(live={"a": False, "b": True}))
        assert await engine.read_live("", 10) == ["b"]
        moved = scribe.batch()._replace(after=Position(scribe.position - 1), live={"b": False})
        try:
            await engine.write(moved)
        except LogMoved:
            pass
        else:
            raise AssertionError("a batch for another position was written")
        assert await engine.read_live("", 10) == ["b"]
        await engine.write(scribe.batch()._replace(live={"b": False}))
        assert await engine.read_live("", 10) == []
        assert (await engine.head()).position == scribe.position


async def the_roll_of_other_gateways_is_called(factory: "EngineFactory") -> None:
    async with factory() as engine:
        assert await engine.exchange_heartbeats(GatewayHeartbeat("g-1", 1, {"hotels": 0, "ada": 1_500}), []) == []
        others = await engine.exchange_heartbeats(GatewayHeartbeat("g-2", 7, {}), [])
        assert others == ([GatewayHeartbeat("g-1", 1, {"hotels": 0, "ada": 1_500})] if engine.shared else [])
        await engine.exchange_heartbeats(GatewayHeartbeat("g-1", 2, {"hotels": 20}), [])
        others = await engine.exchange_heartbeats(GatewayHeartbeat("g-2", 8, {}), [])
        assert others == ([GatewayHeartbeat("g-1", 2, {"hotels": 20})] if engine.shared else [])
        assert await engine.exchange_heartbeats(GatewayHeartbeat("g-2", 9, {}), ["g-1"]) == []
        others = await engine.exchange_heartbeats(GatewayHeartbeat("g-3", 1, {}), [])
        assert others == ([GatewayHeartbeat("g-2", 9, {})] if engine.shared else [])
        assert (await engine.head()).position == 0


BESIDE: tuple[Callable[["EngineFactory"], Awaitable[None]], ...] = (
    a_tracking_needs_no_events,
    what_is_live_is_known_by_the_last_batch,
    the_roll_of_other_gateways_is_called,
)
