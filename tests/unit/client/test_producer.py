"""A producer numbers its events, sends them without waiting, and again in order when the gateway was busy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Client, ClientClosed
from stenogram.client.transport.command_pipeline import MAX_UNANSWERED
from stenogram.domain.errors import Conflict, StaleProducer

if TYPE_CHECKING:
    from unit.client.conftest import FakeGateway


def numbers(gateway: FakeGateway) -> list[int]:
    return [frame["producer"]["seq"] for frame in gateway.done("custom.record")]


async def test_events_are_numbered_from_the_first_or_from_a_number_of_ones_own(
    gateway: FakeGateway, client: Client
) -> None:
    async with client.session("trip").producer("tap", epoch=3) as tap:
        assert [await tap.record("x.line", {"n": n}) for n in range(3)] == [0, 1, 2]
        assert await tap.record("x.line", seq=40) == 40
        assert await tap.record("x.line", to="users") == 41
    frames = gateway.done("custom.record")
    assert frames[0]["producer"] == {"id": "tap", "epoch": 3, "seq": 0}
    assert frames[0]["data"] == {"type": "x.line", "data": {"n": 0}}
    assert frames[4]["data"] == {"type": "x.line", "data": {}, "audience": ["users"]}
    assert numbers(gateway) == [0, 1, 2, 40, 41]


async def test_recording_does_not_wait_for_the_commit_until_too_many_are_on_their_way(
    gateway: FakeGateway, client: Client
) -> None:
    gateway.hold = []
    tap = client.session("trip").producer("tap")
    await tap.record("x.line")
    second = asyncio.create_task(tap.record("x.line"))
    await asyncio.sleep(0.02)
    assert not second.done(), "the first one opens the epoch"
    gateway.release()
    assert await second == 1
    await tap.flush()
    gateway.hold = []
    for _ in range(MAX_UNANSWERED):
        await tap.record("x.line")
    late = asyncio.create_task(tap.record("x.line"))
    await asyncio.sleep(0.02)
    assert not late.done()
    gateway.release()
    assert await late == MAX_UNANSWERED + 2
    await tap.flush()
    assert len(numbers(gateway)) == MAX_UNANSWERED + 3


async def test_many_at_once_get_a_number_each(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").producer("tap") as tap:
        assert await asyncio.gather(*(tap.record("x.line") for _ in range(200))) == list(range(200))
    assert numbers(gateway) == list(range(200))


async def test_a_busy_gateway_gets_them_again_in_order(gateway: FakeGateway, client: Client) -> None:
    state = {"next": 0, "busy": 2}

    def refuse(frame: dict[str, Any]) -> dict[str, Any] | None:
        seq = frame["producer"]["seq"]
        if seq == 3 and state["busy"]:
            state["busy"] -= 1
            return {"code": "busy", "detail": "later", "status": 429, "retry_after": 0.01}
        if seq > state["next"]:
            return {"code": "conflict", "detail": "not its turn", "status": 409, "expected": state["next"]}
        state["next"] += 1
        return None

    gateway.refuse = refuse
    async with client.session("trip").producer("tap") as tap:
        for _ in range(10):
            await tap.record("x.line")
    assert state == {"next": 10, "busy": 0}
    assert tap.repeated == 0


async def test_an_epoch_is_not_opened_by_the_second_event_when_the_first_is_refused_for_a_while(
    gateway: FakeGateway, client: Client
) -> None:
    accepted: list[int] = []
    busy = [True]

    def refuse(frame: dict[str, Any]) -> dict[str, Any] | None:
        if busy:
            busy.pop()
            return {"code": "busy", "detail": "later", "status": 429, "retry_after": 0.01}
        accepted.append(frame["producer"]["seq"])  # the first that comes opens the epoch, whatever its number
        return None

    gateway.refuse = refuse
    async with client.session("trip").producer("tap") as tap:
        await asyncio.gather(*(tap.record("x.line") for _ in range(5)))
    assert accepted == [0, 1, 2, 3, 4]


async def test_a_cut_connection_is_waited_out(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").producer("tap") as tap:
        await tap.record("x.line")
        await tap.flush()
        gateway.hold = []
        for _ in range(5):
            await tap.record("x.line")
        gateway.peer.cut()
        gateway.release()
    assert tap.next_seq == 6


@pytest.mark.parametrize(("code", "error"), [("stale_producer", StaleProducer), ("conflict", Conflict)])
async def test_a_refusal_ends_it(gateway: FakeGateway, client: Client, code: str, error: type[Conflict]) -> None:
    gateway.refuse = lambda frame: {"code": code, "detail": "no", "status": 409, "expected": 7}
    tap = client.session("trip").producer("tap")
    await tap.record("x.line")
    with pytest.raises(error) as raised:
        await tap.flush()
    assert raised.value.extra["expected"] == 7
    with pytest.raises(error):
        await tap.record("x.line")
    assert len(numbers(gateway)) == 1


async def test_an_exception_in_the_block_is_raised_without_waiting(gateway: FakeGateway, client: Client) -> None:
    gateway.hold = []

    async def produce() -> None:
        async with client.session("trip").producer("tap") as tap:
            await tap.record("x.line")
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await asyncio.wait_for(produce(), 30)


async def test_a_client_that_is_closed_ends_it(gateway: FakeGateway, client: Client) -> None:
    gateway.hold = []
    tap = client.session("trip").producer("tap")
    await tap.record("x.line")
    await client.aclose()
    with pytest.raises(ClientClosed):
        await tap.flush()
