"""A streamed message: quick at first, joined afterwards, and never left open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Client, ClientClosed, ClientError
from stenogram.domain.errors import Conflict, Fenced, Forbidden, Invalid
from stenogram.domain.parts import DataPart

if TYPE_CHECKING:
    from unit.client.conftest import FakeGateway

Eventually = Callable[..., Any]


def texts(gateway: FakeGateway) -> list[str]:
    """The text of each delta, in order, repeats left out."""
    seen = {frame["data"]["index"]: frame["data"]["text"] for frame in gateway.done("message.delta")}
    return [seen[index] for index in sorted(seen)]


async def test_a_message_is_started_streamed_and_completed(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").stream_message(to=["users"], message="m1") as message:
        await message.write("Casa ")
        await message.write("Azul")
        message.parts = [DataPart(data={"price": 80})]
        message.usage = {"tokens": 2}
    assert gateway.done("message.start")[0]["data"] == {"message": "m1", "audience": ["users"]}
    assert "".join(texts(gateway)) == "Casa Azul"
    assert gateway.done("message.complete")[0]["data"] == {
        "message": "m1",
        "deltas": 2,
        "parts": [{"kind": "data", "data": {"price": 80}}],
        "usage": {"tokens": 2},
    }


async def test_the_first_piece_goes_at_once_and_later_ones_are_joined(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    async with client.session("trip").stream_message(window=600) as message:
        await message.write("first")
        await eventually(lambda: texts(gateway) == ["first"])
        for _ in range(10):
            await message.write(".")
        await asyncio.sleep(0.05)
        assert texts(gateway) == ["first"]
    assert texts(gateway) == ["first", ".........."]


async def test_joined_pieces_go_when_their_time_is_over(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    async with client.session("trip").stream_message(window=0.05) as message:
        await message.write("first")
        await eventually(lambda: texts(gateway) == ["first"])
        await message.write(".")
        await eventually(lambda: texts(gateway) == ["first", "."])


async def test_reasoning_and_text_are_not_joined(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").stream_message() as message:
        for part in ("reasoning", "reasoning", None, None):
            await message.write("a", part=part)
    sent = [(frame["data"].get("part"), frame["data"]["text"]) for frame in gateway.done("message.delta")]
    assert sent == [("reasoning", "a"), ("reasoning", "a"), (None, "aa")]


async def test_an_exception_inside_aborts_and_is_raised(gateway: FakeGateway, client: Client) -> None:
    async def stream() -> None:
        async with client.session("trip").stream_message(message="m1") as message:
            await message.write("Casa ")
            await message.write("Az")
            raise ValueError("a secret")

    with pytest.raises(ValueError, match="secret"):
        await stream()
    assert texts(gateway) == ["Casa ", "Az"], "what was written is kept"
    assert gateway.done("message.abort")[0]["data"] == {"message": "m1", "reason": "ValueError"}
    assert not gateway.done("message.complete")


async def test_cancellation_aborts_and_is_raised(gateway: FakeGateway, client: Client, eventually: Eventually) -> None:
    async def stream() -> None:
        async with client.session("trip").stream_message() as message:
            await message.write("Casa ")
            await asyncio.sleep(60)

    task = asyncio.create_task(stream())
    await eventually(lambda: texts(gateway))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gateway.done("message.abort")[0]["data"]["reason"] == "cancelled"


async def test_cancelling_twice_aborts_all_the_same(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    inside = asyncio.Event()

    async def stream() -> None:
        async with client.session("trip").stream_message():
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(stream())
    await inside.wait()
    gateway.hold = []
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: gateway.done("message.abort"))
    gateway.release()


async def test_cancelling_the_start_leaves_no_message_open(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.hold = []
    task = asyncio.create_task(client.session("trip").stream_message().__aenter__())
    await eventually(lambda: gateway.done("message.start"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: gateway.done("message.abort"))


async def test_cancelling_the_completion_aborts(gateway: FakeGateway, client: Client, eventually: Eventually) -> None:
    async def stream() -> None:
        async with client.session("trip").stream_message() as message:
            gateway.hold = []
            await message.write("Casa")

    task = asyncio.create_task(stream())
    await eventually(lambda: gateway.done("message.delta"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: gateway.done("message.abort"))


@pytest.mark.parametrize("begin", ["message", "tool"])
async def test_a_cancellation_is_one_also_when_the_client_is_closed_in_the_same_moment(
    begin: str, gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    """Otherwise a timeout or a group of tasks around it would take it for a failure of its own."""
    session = client.session("trip")
    work = session.stream_message() if begin == "message" else session.tool("search", {})
    gateway.hold = []
    task = asyncio.create_task(work.__aenter__())
    await eventually(lambda: gateway.done("message.start") + gateway.done("tool.call"))
    session.commands.fail(ClientClosed("The client was closed."))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_can_be_aborted_by_hand(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").stream_message(message="m1") as message:
        await message.write("Casa")
        await message.abort("changed my mind")
        with pytest.raises(ClientError, match="finished"):
            await message.write("more")
    assert gateway.done("message.abort")[0]["data"]["reason"] == "changed my mind"
    assert not gateway.done("message.complete")


async def test_a_refused_piece_is_raised_by_the_next_write(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.refuse = lambda frame: (
        {"code": "forbidden", "detail": "Not your turn."} if frame["do"] == "message.delta" else None
    )

    async def stream() -> None:
        async with client.session("trip").stream_message(window=0) as message:
            for _ in range(1_000):
                await message.write("a")
                await asyncio.sleep(0.001)

    with pytest.raises(Forbidden, match=r"Not your turn\."):
        await stream()
    assert gateway.done("message.abort")[0]["data"]["reason"] == "Not your turn."


async def test_a_refused_piece_is_raised_on_leaving(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse = lambda frame: {"code": "conflict", "detail": "Closed."} if frame["do"] == "message.delta" else None
    with pytest.raises(Conflict, match=r"Closed\."):
        async with client.session("trip").stream_message() as message:
            await message.write("a")
    assert gateway.done("message.abort")
    assert not gateway.done("message.complete")


async def test_leaving_waits_until_everything_is_committed(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    async def stream() -> None:
        async with client.session("trip").stream_message() as message:
            gateway.hold = []
            await message.write("Casa")

    task = asyncio.create_task(stream())
    await eventually(lambda: gateway.done("message.delta"))
    await asyncio.sleep(0.02)
    assert not task.done()
    assert not gateway.done("message.complete")
    gateway.release()
    await task
    assert gateway.done("message.complete")


async def test_a_lost_connection_loses_and_repeats_no_piece(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    async with client.session("trip").stream_message(window=0) as message:
        for number in range(60):
            await message.write(f"{number} ")
            await asyncio.sleep(0.001)
            if number in (10, 25, 40):
                gateway.peer.cut()
    assert "".join(texts(gateway)) == "".join(f"{number} " for number in range(60))
    assert gateway.done("message.complete")[-1]["data"]["deltas"] == len(texts(gateway))


async def test_a_busy_gateway_gets_the_pieces_again_in_order(gateway: FakeGateway, client: Client) -> None:
    expected = 0
    busy = {3: 2, 7: 1}

    def refuse(frame: dict[str, Any]) -> dict[str, Any] | None:
        nonlocal expected
        if frame["do"] != "message.delta":
            return None
        index = frame["data"]["index"]
        if index > expected:
            return {"code": "conflict", "detail": f"expected {expected}"}
        if busy.get(index):
            busy[index] -= 1
            return {"code": "busy", "detail": "later", "retry_after": 0.005}
        expected = max(expected, index + 1)
        return None

    gateway.refuse = refuse
    async with client.session("trip").stream_message(window=0) as message:
        for number in range(12):
            await message.write(str(number))
    assert expected == gateway.done("message.complete")[0]["data"]["deltas"]
    assert "".join(texts(gateway)) == "".join(map(str, range(12)))


async def test_writing_waits_while_nothing_is_taken(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    async with client.session("trip").stream_message(window=0) as message:
        gateway.hold = []
        writing = asyncio.create_task(_write(message, 200, "a" * 10_000))
        await asyncio.sleep(0.1)
        assert not writing.done()
        assert sum(map(len, texts(gateway))) < 1_000_000
        gateway.release()
        await writing
    assert sum(map(len, texts(gateway))) == 2_000_000


async def test_a_long_piece_is_cut_to_fit(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").stream_message() as message:
        await message.write("\x01" * 200_000)
    assert len(texts(gateway)) == 4


async def test_half_a_character_is_refused_where_it_is_written(client: Client) -> None:
    with pytest.raises(Invalid, match="Unicode"):
        async with client.session("trip").stream_message() as message:
            await message.write("\ud83d")


async def test_nothing_at_all_is_a_message_too(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").stream_message() as message:
        await message.write("")
    assert texts(gateway) == []
    assert gateway.done("message.complete")[0]["data"]["deltas"] == 0


async def test_a_tool_call_is_recorded_with_its_result(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").tool("search", {"q": 1}, call="c1") as call:
        call.result = ["Casa Azul"]
    assert gateway.done("tool.call")[0]["data"] == {"tool": "search", "arguments": {"q": 1}, "call": "c1"}
    assert gateway.done("tool.return")[0]["data"] == {"call": "c1", "result": ["Casa Azul"]}


async def test_a_tool_that_fails_returns_an_error(gateway: FakeGateway, client: Client) -> None:
    with pytest.raises(KeyError):
        async with client.session("trip").tool("search", call="c1"):
            raise KeyError("password")
    assert gateway.done("tool.return")[0]["data"] == {"call": "c1", "error": "KeyError"}


async def _write(message: Any, times: int, text: str) -> None:
    for _ in range(times):
        await message.write(text)


@pytest.mark.parametrize("result", [object(), "x" * 2_000_000], ids=["no JSON", "too large"])
async def test_a_tool_whose_result_cannot_be_recorded_returns_an_error(
    gateway: FakeGateway, client: Client, result: object
) -> None:
    with pytest.raises(Invalid) as refusal:
        async with client.session("trip").tool("search", {}) as call:
            call.result = result
    (returned,) = gateway.done("tool.return")
    assert returned["data"] == {"call": call.id, "error": refusal.value.detail}


async def test_what_a_message_took_and_what_is_kept_with_it_is_recorded_however_it_ends(
    gateway: FakeGateway, client: Client
) -> None:
    session = client.session("trip")
    await session.post("Hi.", usage={"tokens": 1}, metadata={"a": 1})
    async with session.stream_message(metadata={"a": 2}) as message:
        message.usage, message.metadata = {"tokens": 2}, {"stop": "end"}

    async def fail() -> None:
        async with session.stream_message() as message:
            message.usage, message.metadata = {"tokens": 3}, {"stop": "error"}
            raise ValueError("no line")

    with pytest.raises(ValueError, match="no line"):
        await fail()
    kept = [
        {name: frame["data"].get(name) for name in ("usage", "metadata")}
        for do in ("message.post", "message.start", "message.complete", "message.abort")
        for frame in gateway.done(do)
    ]
    assert kept == [
        {"usage": {"tokens": 1}, "metadata": {"a": 1}},
        {"usage": None, "metadata": {"a": 2}},
        {"usage": None, "metadata": None},
        {"usage": {"tokens": 2}, "metadata": {"stop": "end"}},
        {"usage": {"tokens": 3}, "metadata": {"stop": "error"}},
    ]


def output_of(gateway: FakeGateway) -> str:
    """All that was streamed of a call's output, repeats left out."""
    seen = {frame["data"]["index"]: frame["data"]["text"] for frame in gateway.done("tool.output")}
    return "".join(seen[index] for index in sorted(seen))


async def test_what_a_tool_puts_out_is_streamed_and_counted(gateway: FakeGateway, client: Client) -> None:
    async with client.session("trip").tool("bash", call="c1", metadata={"cwd": "/"}) as call:
        for line in ("one\n", "two\n", "three\n"):
            await call.write(line)
        call.result, call.error = {"exit": 1}, "It failed."
        call.usage, call.metadata = {"seconds": 2}, {"pid": 7}
    assert output_of(gateway) == "one\ntwo\nthree\n"
    assert gateway.done("tool.output")[0]["data"] == {"call": "c1", "index": 0, "text": "one\n"}
    assert gateway.done("tool.call")[0]["data"]["metadata"] == {"cwd": "/"}
    assert gateway.done("tool.return")[0]["data"] == {
        "call": "c1",
        "result": {"exit": 1},
        "error": "It failed.",
        "usage": {"seconds": 2},
        "metadata": {"pid": 7},
        "deltas": 2,
    }


async def test_what_a_tool_had_put_out_and_got_is_kept_when_it_fails(gateway: FakeGateway, client: Client) -> None:
    async def run() -> None:
        async with client.session("trip").tool("bash", call="c1") as call:
            await call.write("one\n")
            await call.write("two\n")
            call.result = ["one"]
            raise KeyError("x")

    with pytest.raises(KeyError):
        await run()
    assert output_of(gateway) == "one\ntwo\n"
    assert gateway.done("tool.return")[0]["data"] == {"call": "c1", "error": "KeyError", "result": ["one"]}


async def test_output_that_is_too_long_is_cut_and_the_call_goes_on(
    gateway: FakeGateway, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.client.tool.MAX_OUTPUT_BYTES", 6)
    async with client.session("trip").tool("bash") as call:
        await call.write("abc")
        truncated = [call.truncated]
        await call.write("dééé")
        await call.write("more")
    assert [*truncated, call.truncated] == [False, True]
    assert output_of(gateway) == "abcdé"
    assert "error" not in gateway.done("tool.return")[0]["data"]


async def test_output_that_is_refused_is_told_where_it_is_written(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse = lambda frame: (
        {"code": "fenced", "detail": "The call was abandoned."} if frame["do"] == "tool.output" else None
    )

    async def run() -> None:
        async with client.session("trip").tool("bash") as call:
            for _ in range(100):
                await call.write("line")
                await asyncio.sleep(0.01)

    with pytest.raises(Fenced, match="abandoned"):
        await run()
    assert gateway.done("tool.return")[0]["data"]["error"] == "The call was abandoned."
