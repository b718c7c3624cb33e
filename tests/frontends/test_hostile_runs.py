"""What a participant that means harm gets by runs of AG-UI, and by publishing them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from support.native import SECRET, Native, headers_of

from stenogram.api.server import Gateway

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
async def gateway(start: Any) -> Gateway:
    """A gateway that asks for tokens."""
    gateway: Gateway = await start(jwt_secret=SECRET)
    return gateway


async def ends_of(answer: aiohttp.ClientResponse) -> list[dict[str, Any]]:
    """All events of a stream that ends."""
    async with asyncio.timeout(20):
        return [orjson.loads(line[6:]) async for line in answer.content if line.startswith(b"data: ")]


def asked(run: str, **more: Any) -> dict[str, Any]:
    """A RunAgentInput."""
    return {"threadId": "trip", "runId": run, "messages": [], "protocolVersion": "1.0", **more}


@pytest.mark.parametrize("inside", [False, True])
async def test_who_answers_a_question_is_not_told_what_a_task_for_others_comes_to(
    inside: bool, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    planner, eve = Native(gateway, http, "planner", "agent"), Native(gateway, http, "eve")
    await planner.do("session.open")
    await planner.do("presence.join")
    await eve.do("presence.join")
    await planner.do("task.create", task="run.secret", title="Quiet", audience=["agents"])
    await planner.do("task.claim", task="run.secret")
    under = {"task": "run.secret", "attempt": 1}
    if inside:
        await planner.do("task.create", task="part", title="A part", parent="run.secret")
        await planner.do("task.claim", task="part")
        under = {"task": "part", "attempt": 1}
    await planner.do("approval.request", under, approval="a1", question="Go on?", options=["yes", "no"])
    resume = [{"interruptId": "a1", "status": "resolved", "payload": "yes"}]
    url, told = f"{gateway.url}/v1/agui/agent/planner/run", list[dict[str, Any]]()
    async with http.post(url, json=asked("r2", resume=resume), headers=headers_of("eve")) as answer:
        assert answer.status == 200, await answer.text()
        await planner.do("task.complete", task="run.secret", attempt=1, output="the hidden output")
        told += await ends_of(answer)
    async with http.post(url, json=asked("r2", resume=resume), headers=headers_of("eve")) as answer:
        assert answer.status == 200, await answer.text()
        told += await ends_of(answer)
    assert b"the hidden output" not in orjson.dumps(told)
    assert told[-1]["type"] == "RUN_FINISHED"


async def test_a_run_whose_key_another_task_has_is_refused(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    eve = Native(gateway, http, "eve")
    await eve.do("session.open")
    await eve.do("task.create", task="mine", title="Mine", dedupe_key="run.r1")
    url = f"{gateway.url}/v1/agui/agent/planner/run"
    async with http.post(url, json=asked("r1"), headers=headers_of("ada")) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "conflict")


async def test_who_publishes_stops_when_the_token_expires(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"type":"TEXT_MESSAGE_START","messageId":"m1"}\n'
        while True:
            yield b'{"type":"TEXT_MESSAGE_CONTENT","messageId":"m1","delta":"on and "}\n'
            await asyncio.sleep(0.05)

    url, headers = f"{gateway.url}/v1/agui/threads/trip/events", headers_of("hotels", "agent", 6)
    async with asyncio.timeout(40), http.post(url, data=endless(), headers=headers | NDJSON) as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, "unauthenticated")
    async with http.get(f"{gateway.url}/v1/sessions/trip", headers=headers_of("ada")) as answer:
        assert (await answer.json())["open_messages"] == []


@pytest.mark.parametrize(
    "more",
    [
        [b'{"type":"TOOL_CALL_ARGS","toolCallId":"c1","delta":"%s"}\n' % (b"x" * 100_000)],
        [b'{"type":"TOOL_CALL_START","toolCallId":"c%d","toolCallName":"t"}\n' % n for n in range(20_000)],
        [b'{"type":"TEXT_MESSAGE_START","messageId":"u%d","role":"user"}\n' % n for n in range(20_000)],
    ],
    ids=["arguments", "calls", "words of others"],
)
async def test_what_is_published_and_not_written_yet_is_bounded(
    more: list[bytes], http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"type":"TOOL_CALL_START","toolCallId":"c1","toolCallName":"t"}\n'
        for _ in range(max(1, 400 // len(more))):
            yield b"".join(more)

    url, headers = f"{gateway.url}/v1/agui/threads/trip/events", headers_of("hotels", "agent")
    async with http.post(url, data=body(), headers=headers | NDJSON) as answer:
        assert answer.status in (409, 413), await answer.text()
