"""The contract of a log's engine for what it keeps beside events: tracking, which sessions are live, and what gateways
tell each other."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ...domain.ids import Position
from ...log.engine import LogMoved, TrackingTaken
from ...log.records import Batch, GatewayHeartbeat
from .batch_writer import BatchEvent, BatchWriter

if TYPE_CHECKING:
    from .engine import EngineFactory


async def a_tracking_only_moves_forward(factory: "EngineFactory") -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        await writer.commit(writer.batch(BatchEvent())._replace(tracking={"t-1": Position(5), "t-2": Position(1)}))
        for position in (5, 4):
            tracking = {"t-2": Position(9), "t-1": Position(position)}
            await writer.check_refused(TrackingTaken, writer.batch(BatchEvent())._replace(tracking=tracking))
        assert await engine.read_tracking("t-1") == 5
        assert await engine.read_tracking("t-2") == 1


async def a_tracking_needs_no_events(factory: "EngineFactory") -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        await writer.write(BatchEvent())
        await engine.write(Batch(writer.position, [], {}, {}, {"t-1": Position(5)}, {}))
        assert await engine.read_tracking("t-1") == 5
        assert (await engine.head()).position == 1


async def what_is_live_is_known_by_the_last_batch(factory: "EngineFactory") -> None:
    async with factory() as engine:
        writer = BatchWriter(engine)
        lived = writer.batch(BatchEvent("b"), BatchEvent("a"), BatchEvent("c"))._replace(
            live={"b": True, "a": True, "c": False}
        )
        await writer.commit(lived)
        assert await engine.read_live("", 10) == ["a", "b"]
        assert await engine.read_live("a", 10) == ["b"]
        assert await engine.read_live("", 1) == ["a"]
        await writer.commit(writer.batch(BatchEvent("b"))._replace(live={"a": False, "b": True}))
        assert await engine.read_live("", 10) == ["b"]
        moved = writer.batch()._replace(after=Position(writer.position - 1), live={"b": False})
        try:
            await engine.write(moved)
        except LogMoved:
            pass
        else:
            raise AssertionError("a batch for another position was written")
        assert await engine.read_live("", 10) == ["b"]
        await engine.write(writer.batch()._replace(live={"b": False}))
        assert await engine.read_live("", 10) == []
        assert (await engine.head()).position == writer.position


async def gateways_hear_of_each_other(factory: "EngineFactory") -> None:
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


WITHOUT_EVENTS: tuple[Callable[["EngineFactory"], Awaitable[None]], ...] = (
    a_tracking_only_moves_forward,
    a_tracking_needs_no_events,
    what_is_live_is_known_by_the_last_batch,
    gateways_hear_of_each_other,
)
