"""Being in a session: entered, followed, left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Client, ClientClosed, ClientError, HistoryGone
from stenogram.domain.errors import Conflict, Forbidden, SessionClosed

if TYPE_CHECKING:
    from unit.client.conftest import FakeGateway

Eventually = Callable[..., Any]


def refusing(**codes: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    """Refuse commands: `session_open="conflict"`."""

    def refuse(frame: dict[str, Any]) -> dict[str, Any] | None:
        code = codes.get(frame["do"].replace(".", "_"))
        return None if code is None else {"code": code, "detail": "No."}

    return refuse


async def test_entering_opens_joins_and_follows(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip", title="Lisbon", labels={"team": "a"}, name="Hotels") as session:
        assert (session.info.status, session.info.title, session.info.labels) == ("open", "Lisbon", {"team": "a"})
        assert session.present["me"].name == "Hotels"
        await session.status("working", "Comparing hotels")
    assert [frame["do"] for frame in gateway.commands] == [
        "session.open",
        "presence.join",
        "presence.status",
        "presence.leave",
    ]


async def test_entering_what_exists_and_joining_where_one_is_are_no_errors(
    gateway: FakeGateway, client: Client
) -> None:
    gateway.refuse = refusing(session_open="conflict", presence_join="no_change", presence_status="no_change")
    async with client.session("trip") as session:
        await session.status("idle")


async def test_a_closed_session_is_not_entered(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse = refusing(session_open="conflict", presence_join="session_closed")
    with pytest.raises(SessionClosed):
        async with client.session("trip"):
            pass


async def test_another_refusal_of_opening_is_raised(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse = refusing(session_open="forbidden")
    with pytest.raises(Forbidden):
        async with client.session("trip"):
            pass
    assert len(gateway.commands) == 1


async def test_watching_writes_nothing(gateway: FakeGateway, client: Client) -> None:
    gateway.write("trip", "session.opened", {"title": "Lisbon"})
    async with client.watch("trip") as session:
        assert session.info.title == "Lisbon"
        assert session.present == {}
    assert gateway.commands == []


async def test_a_session_need_not_be_followed(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip", follow=False) as session:
        await session.state.merge({"n": 1})
        with pytest.raises(ClientError, match="not followed"):
            _ = session.state.value
    assert gateway.peer.asked("subscribe") == []


async def test_presence_is_followed(gateway: FakeGateway, client: Client, eventually: Eventually) -> None:
    async with client.watch("trip") as session:
        gateway.write("trip", "presence.joined", {"participant": "ann", "kind": "user"})
        await eventually(lambda: list(session.present) == ["ann"])
        gateway.write("trip", "presence.status", {"participant": "ann", "status": "thinking"})
        await eventually(lambda: session.present["ann"].status == "thinking")
        gateway.write("trip", "presence.left", {"participant": "ann"})
        await eventually(lambda: session.present == {})


async def test_what_was_written_can_be_read(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip") as session:
        for number in range(20):
            await session.state.merge({"n": number})
            assert session.state.value == {"n": number}
            assert session.state.get("/n") == number
        assert session.state.version == 22


async def test_a_write_returns_only_when_it_can_be_read(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    async with client.session("trip") as session:
        gateway.withholds_events = True
        writing = asyncio.create_task(session.state.merge({"n": 1}))
        await eventually(lambda: gateway.done("state.merge"))
        await client.do("other", "x", {})
        assert not writing.done(), "its answer came before that of the other, and yet it waits"
        gateway.deliver()
        await writing
        assert session.state.value == {"n": 1}


async def test_conditions_are_passed_on(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip") as session:
        await session.state.merge({"n": 1}, if_version=3, if_unchanged={"/n": 2})
        await session.state.patch([{"op": "test", "path": "/n", "value": 1}], if_version=0)
        await session.state.increment("/n", 2)
    sent = [frame["data"] for frame in gateway.commands if frame["do"].startswith("state.")]
    assert sent == [
        {"patch": {"n": 1}, "if_version": 3, "if_unchanged": {"/n": 2}},
        {"patch": [{"op": "test", "path": "/n", "value": 1}], "if_version": 0},
        {"path": "/n", "by": 2},
    ]


async def test_waiting_sees_every_value(gateway: FakeGateway, client: Client) -> None:
    async with client.watch("trip") as session:
        waiting = asyncio.create_task(session.state.wait(lambda value: value.get("n") == 2))
        await asyncio.sleep(0)
        for number in (1, 2, 3):
            gateway.write("trip", "state.merged", {"patch": {"n": number}, "keys": ["/n"]})
        assert await waiting == {"n": 2}
        assert await session.state.wait(lambda value: "n" in value) == session.state.value


async def test_waiting_ends_in_time_and_with_the_session(gateway: FakeGateway, client: Client) -> None:
    async with client.watch("trip") as session:
        with pytest.raises(TimeoutError):
            await session.state.wait(lambda value: False, timeout=0.01)
        with pytest.raises(ZeroDivisionError):
            await session.state.wait(lambda value: 1 // len(value))
        waiting = asyncio.create_task(session.state.wait(lambda value: False))
        await asyncio.sleep(0)
    with pytest.raises(ClientClosed):
        await waiting
    assert session.state.value == {}, "what was known stays known"


async def test_a_session_without_its_beginning_is_not_guessed(gateway: FakeGateway, client: Client) -> None:
    gateway.fill("trip", 3)
    gateway.gaps = [{"from": 1, "to": 2}]
    with pytest.raises(HistoryGone):
        async with client.watch("trip"):
            pass


async def test_an_event_that_cannot_be_folded_is_told(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    async with client.watch("trip") as session:
        gateway.write("trip", "presence.status", {"participant": "nobody", "status": "idle"})
        with pytest.raises(ClientError, match="cannot be folded"):
            await session.state.wait(lambda value: False)
        with pytest.raises(ClientError, match="cannot be folded"):
            _ = session.present


async def test_a_session_that_was_not_entered_can_write_and_read_events(gateway: FakeGateway, client: Client) -> None:
    session = client.session("trip")
    await session.post("Found three.", to=["users"])
    await session.state.merge({"n": 1})
    assert [event.version async for event in session.events(follow=False)] == [1, 2]
    with pytest.raises(ClientError, match="async with"):
        _ = session.present


async def test_leaving_happens_when_the_block_fails(gateway: FakeGateway, client: Client) -> None:
    with pytest.raises(ValueError, match="oops"):
        async with client.session("trip"):
            raise ValueError("oops")
    assert gateway.done("presence.leave")


async def test_leaving_hides_no_error_and_raises_none(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse = refusing(presence_leave="session_closed")
    async with client.session("trip"):
        pass
    with pytest.raises(ValueError, match="oops"):
        async with client.session("other"):
            raise ValueError("oops")


async def test_cancelling_the_entry_leaves(gateway: FakeGateway, client: Client, eventually: Eventually) -> None:
    gateway.refuse_subscription = lambda frame: {"code": "busy", "detail": "later", "retry_after": 60}
    entering = asyncio.create_task(client.session("trip").__aenter__())
    await eventually(lambda: gateway.done("presence.join") and gateway.peer.asked("subscribe"))
    await asyncio.sleep(0.01)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert gateway.done("presence.leave")


async def test_the_fold_survives_lost_connections(gateway: FakeGateway, client: Client, eventually: Eventually) -> None:
    async with client.watch("trip") as session:
        for number in range(30):
            gateway.write("trip", "state.merged", {"patch": {f"k{number}": number}, "keys": [f"/k{number}"]})
            if number % 7 == 0:
                gateway.peer.cut()
                await eventually(lambda: client.connected)
        await session.state.wait(lambda value: "k29" in value, timeout=30)
        assert session.state.value == {f"k{number}": number for number in range(30)}


async def test_helpers_send_what_they_are_given(gateway: FakeGateway, client: Client) -> None:
    session = client.session("trip")
    posted = await session.post("Hi", reply_to="m0", kind="progress", message="m1")
    assert (posted.message, posted.version) == ("m1", 1)
    await session.post(parts=[{"kind": "data", "data": 1}], message="m2")
    await session.record("x.trip.scored", {"score": 3}, about="lisbon", to=["users"])
    await session.describe(title="Porto")
    await session.label({"a": "1"}, remove=["b"])
    await session.close("done")
    await session.reopen()
    assert [(frame["do"], frame["data"]) for frame in gateway.commands] == [
        ("message.post", {"message": "m1", "text": "Hi", "kind": "progress", "reply_to": "m0"}),
        ("message.post", {"message": "m2", "parts": [{"kind": "data", "data": 1}]}),
        (
            "custom.record",
            {"type": "x.trip.scored", "data": {"score": 3}, "about": "lisbon", "audience": ["users"]},
        ),
        ("session.describe", {"title": "Porto"}),
        ("session.label", {"set": {"a": "1"}, "remove": ["b"]}),
        ("session.close", {"reason": "done"}),
        ("session.reopen", {}),
    ]


async def test_the_low_level_door_names_expectations(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse = refusing(task_claim="conflict")
    with pytest.raises(Conflict):
        await client.session("trip").do("task.claim", {"task": "t"}, id="c1", expect={"task:t": 0})
    assert gateway.commands[0]["expect"] == {"task:t": 0}
