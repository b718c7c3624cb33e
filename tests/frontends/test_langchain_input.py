"""What LangChain's routes answer to input that is wrong: an error that is documented, and nothing is written."""

import random
from typing import Any

import aiohttp
import orjson
import pytest

from stenogram.api.server import Gateway
from stenogram.client import Client

THREAD = "/v1/langchain/threads/trip"


@pytest.fixture
async def gateway(start: Any) -> Gateway:
    """A gateway with the defaults."""
    gateway: Gateway = await start()
    return gateway


async def written(http: aiohttp.ClientSession, gateway: Gateway) -> int:
    """How many events the session has."""
    async with http.get(f"{gateway.url}/v1/sessions/trip/events?limit=1000") as answer:
        return len((await answer.json())["events"])


BAD: list[Any] = [
    [],
    None,
    7,
    {},
    {"id": -1, "method": "run.start"},
    {"id": 1.5, "method": "run.start"},
    {"id": True, "method": "run.start"},
    {"id": 1, "method": "state.fork", "params": {"checkpoint_id": "x"}},
    {"id": 1, "method": "nothing"},
    {"id": 1, "method": "run.start", "params": []},
    {"id": 1, "method": "run.start", "params": {"assistant_id": "no/such"}},
    {"id": 1, "method": "run.start", "params": {"assistant_id": 7}},
    {"id": 1, "method": "run.start", "params": {"input": {"messages": [7]}}},
    {"id": 1, "method": "run.start", "params": {"input": {"messages": [{"type": "human", "id": "", "content": "x"}]}}},
    {"id": 1, "method": "run.start", "params": {"input": {"messages": [{"type": "human", "content": {"a": 1}}]}}},
    {"id": 1, "method": "run.start", "params": {"multitask_strategy": "all"}},
    {"id": 1, "method": "run.start", "params": {"config": {"configurable": {"checkpoint_id": "1"}}}},
    {"id": 1, "method": "input.respond", "params": {}},
    {"id": 1, "method": "input.respond", "params": {"responses": []}},
    {"id": 1, "method": "input.respond", "params": {"interrupt_id": "nobody-asked", "response": 1}},
    {"id": 1, "method": "input.inject", "params": {"namespace": [], "message": {"content": "no run"}}},
    {"id": 1, "method": "input.inject", "params": {"namespace": ["no/such"], "message": {"content": "x"}}},
    {"id": 1, "method": "input.inject", "params": {"namespace": ["x"], "message": {"content": ""}}},
    {"id": 1, "method": "input.inject", "params": {"namespace": "x", "message": {"content": "x"}}},
]
BAD_STREAMS: list[Any] = [
    [],
    {},
    {"channels": "values"},
    {"channels": [7]},
    {"channels": ["values"] * 65},
    {"channels": ["values"], "namespaces": "x"},
    {"channels": ["values"], "namespaces": [[7]]},
    {"channels": ["values"], "depth": -1},
    {"channels": ["values"], "since": -1},
    {"channels": ["values"], "since": 2**60},
    {"channels": ["values"], "since": "end"},
    {"channels": ["values"], "since": 99 << 12},
]


@pytest.mark.parametrize("body", BAD, ids=str)
async def test_a_bad_command_is_a_documented_error_and_writes_nothing(
    body: Any, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    async with Client(gateway.url, participant="planner") as client, client.agent(session="trip"):
        before = await written(http, gateway)
        async with http.post(f"{gateway.url}{THREAD}/commands", json=body) as answer:
            assert answer.status in (400, 404, 409, 422), await answer.text()
            assert (await answer.json())["code"] in ("invalid", "not_found", "conflict", "no_such_target")
        assert await written(http, gateway) == before


@pytest.mark.parametrize("body", BAD_STREAMS, ids=str)
async def test_a_bad_stream_is_a_documented_error(body: Any, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.post(f"{gateway.url}{THREAD}/stream/events", json=body) as answer:
        told = answer.status, (await answer.json())["code"]
    assert told in ((400, "invalid"), (404, "bad_cursor"))


async def test_input_at_random_is_a_documented_error_or_done(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    chance = random.Random(7)

    def junk(depth: int = 0) -> Any:
        kind = chance.randrange(9 if depth < 4 else 5)
        if kind < 5:
            return [
                None,
                True,
                chance.randrange(-9, 2**54),
                chance.choice(["", "m1", "a/b", "\u00e9", "x" * 300]),
                0.5,
            ][kind]
        if kind < 7:
            return [junk(depth + 1) for _ in range(chance.randrange(4))]
        names = (
            "id",
            "method",
            "params",
            "input",
            "messages",
            "type",
            "content",
            "interrupt_id",
            "responses",
            "message",
        )
        return {chance.choice(names): junk(depth + 1) for _ in range(chance.randrange(5))}

    methods = ("run.start", "input.respond", "input.inject")
    for number in range(150):
        given = [junk(), {"id": number, "method": chance.choice(methods), "params": junk()}]
        async with http.post(f"{gateway.url}{THREAD}/commands", data=orjson.dumps(chance.choice(given))) as answer:
            told = await answer.json()
            assert answer.status in (200, 400, 404, 409, 413, 422), (given, told)
            assert answer.status == 200 or told["code"]
