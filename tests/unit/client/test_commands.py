"""Commands are done once, in order, whatever happens to the connection; and never pile up without bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stenogram.client import Ack, Backoff, Client, ClientClosed
from stenogram.client.transport.command_queue import CommandQueue
from stenogram.client.transport.outbox import Outbox
from stenogram.domain.errors import Conflict, Invalid, StenogramError, TooDeep, TooLarge

if TYPE_CHECKING:
    from unit.client.conftest import FakeGateway

Eventually = Callable[..., Any]


async def test_an_answer_names_the_places(gateway: FakeGateway, client: Client) -> None:
    assert await client.do("trip", "x", {}) == ((1,), (1,), False)
    assert (await client.do("trip", "x", {}, id="mine")).versions == (2,)
    assert await client.do("trip", "x", {}, id="mine") == ((2,), (2,), True)


async def test_what_was_not_answered_is_sent_again_in_order_before_what_is_new(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.hold = []
    old = [asyncio.create_task(client.do("trip", "x", {}, id=f"old-{n}")) for n in range(5)]
    await eventually(lambda: len(gateway.commands) == 5)
    gateway.status = 503  # The client would be back before anyone saw it away.
    gateway.peer.cut()
    gateway.release()
    await eventually(lambda: not client.connected)
    new = asyncio.create_task(client.do("trip", "x", {}, id="new"))
    await asyncio.sleep(0)
    gateway.status = None
    acks = await asyncio.gather(*old, new)
    assert [frame["id"] for frame in gateway.peer.asked("command")] == [f"old-{n}" for n in range(5)] + ["new"]
    assert [ack.versions for ack in acks] == [(n,) for n in range(1, 7)]
    assert [ack.repeated for ack in acks] == [True] * 5 + [False]


async def test_subscriptions_begin_again_before_commands_are_sent_again(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.hold = []
    events = client.session("trip").events(after="end")
    command = asyncio.create_task(client.do("trip", "x", {}))
    await eventually(lambda: gateway.commands)
    gateway.peer.cut()
    gateway.release()
    await command
    assert [frame["frame"] for frame in gateway.peer.heard] == ["hello", "subscribe", "command"]
    await events.aclose()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 9), max_size=10), count=st.integers(1, 60))
def test_each_command_is_done_once_and_in_order_whatever_is_cut(
    make_gateway: type[FakeGateway], serving: Callable[..., Any], cuts: list[int], count: int
) -> None:
    async def work() -> list[int]:
        gateway = make_gateway()
        gateway.cuts = list(cuts)
        async with (
            serving(gateway),
            Client(gateway.url, participant="me", backoff=Backoff(0.0005, 0.002)) as client,
        ):
            acks = await asyncio.gather(*(client.do("trip", "x", {"n": n}) for n in range(count)))
        return [ack.versions[0] for ack in acks]

    assert asyncio.run(asyncio.wait_for(work(), 40)) == list(range(1, count + 1))


async def test_a_refusal_is_raised_as_the_domains_error(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse = lambda frame: {"code": "conflict", "detail": "It changed.", "version": 12, "value": {"n": 1}}
    with pytest.raises(Conflict, match=r"It changed\.") as refusal:
        await client.do("trip", "x", {})
    assert type(refusal.value) is Conflict
    assert refusal.value.extra == {"version": 12, "value": {"n": 1}}


async def test_an_unknown_refusal_keeps_its_code(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse = lambda frame: {"code": "out_of_tea", "title": "No tea", "detail": "Brew some.", "status": 418}
    with pytest.raises(StenogramError, match=r"Brew some\.") as refusal:
        await client.do("trip", "x", {})
    assert (refusal.value.code, refusal.value.status) == ("out_of_tea", 418)
    assert refusal.value.problem()["title"] == "No tea"


async def _turns() -> None:
    """Let all that can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_commands_wait_while_too_many_are_on_their_way() -> None:
    commands = CommandQueue(Outbox(), window=2)
    waiting = [asyncio.create_task(commands.do("trip", "x", {}, id=f"c{n}")) for n in range(4)]
    await _turns()
    assert len(commands.unanswered()) == 2
    commands.on_ack({"session": "trip", "id": "c0", "versions": [1], "positions": [1]})
    await _turns()
    assert [key for key, _ in ((each.key, each) for each in commands.unanswered())] == [  # type: ignore[attr-defined]
        ("trip", "c1"),
        ("trip", "c2"),
    ]
    commands.fail(ClientClosed("closed"))
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Ack, ClientClosed, ClientClosed, ClientClosed]


async def test_large_commands_wait_although_they_are_few() -> None:
    commands = CommandQueue(Outbox(), window_bytes=1_000)
    waiting = [asyncio.create_task(commands.do("trip", "x", {"text": "a" * 600})) for _ in range(2)]
    await _turns()
    assert len(commands.unanswered()) == 1
    commands.fail(ClientClosed("closed"))
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_command_too_large_for_the_gateway_is_refused_here(gateway: FakeGateway, client: Client) -> None:
    with pytest.raises(TooLarge):
        await client.do("trip", "x", {"text": "a" * 1_048_576})
    assert client.connected
    assert gateway.commands == []


async def test_a_smaller_limit_learned_later_fails_only_what_exceeds_it(
    make_gateway: type[FakeGateway], serving: Callable[..., Any]
) -> None:
    gateway = make_gateway()
    async with (
        serving(gateway),
        Client(gateway.url, participant="me", backoff=Backoff(0.001, 0.01)) as client,
    ):
        gateway.hold = []
        large = asyncio.create_task(client.do("trip", "x", {"text": "a" * 5_000}))
        small = asyncio.create_task(client.do("trip", "x", {}))
        await asyncio.sleep(0.02)
        gateway.limits = {"frame_bytes": 2_000}
        gateway.hold = None
        gateway.peer.cut()
        with pytest.raises(TooLarge):
            await large
        await small


async def test_what_cannot_be_sent_is_refused_here(client: Client) -> None:
    with pytest.raises(Invalid, match="JSON has nothing for a value of the type object"):
        await client.do("trip", "x", {"what": object()})
    deep: list[Any] = []
    for _ in range(70):
        deep = [deep]
    with pytest.raises(TooDeep):
        await client.do("trip", "x", {"what": deep})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
async def test_numbers_that_json_does_not_have_are_refused(client: Client, number: float) -> None:
    """Written as null they would remove from the state what they were meant to set."""
    with pytest.raises(Invalid, match="no number"):
        await client.do("trip", "state.merge", {"patch": {"budget": {"hotels": [number]}}})


async def test_a_cancelled_command_that_was_not_sent_is_withdrawn(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.status = 503
    gateway.peer.cut()
    await eventually(lambda: not client.connected)
    task = asyncio.create_task(client.do("trip", "x", {}, id="withdrawn"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gateway.status = None
    await client.do("trip", "x", {}, id="kept")
    assert [frame["id"] for frame in gateway.commands] == ["kept"]


async def test_a_cancelled_command_that_was_sent_does_not_disturb_the_rest(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.hold = []
    task = asyncio.create_task(client.do("trip", "x", {}))
    await eventually(lambda: gateway.commands)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gateway.release()
    assert (await client.do("trip", "x", {})).versions == (2,)


async def test_an_id_given_twice_at_once_is_one_command(gateway: FakeGateway, client: Client) -> None:
    first, second = await asyncio.gather(*(client.do("trip", "x", {}, id="same") for _ in range(2)))
    assert first.versions == second.versions == (1,)
    assert len(gateway.commands) == 1


async def test_closing_fails_what_waits(gateway: FakeGateway, client: Client, eventually: Eventually) -> None:
    gateway.hold = []
    task = asyncio.create_task(client.do("trip", "x", {}))
    await eventually(lambda: gateway.commands)
    await client.aclose()
    with pytest.raises(ClientClosed):
        await task
    with pytest.raises(ClientClosed):
        await client.do("trip", "x", {})


async def test_commands_of_one_moment_share_a_message(gateway: FakeGateway, client: Client) -> None:
    await asyncio.gather(*(client.do("trip", "x", {}) for _ in range(300)))
    assert len(gateway.commands) == 300
