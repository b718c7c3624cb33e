"""Windows of a timeline: what is there to be drawn of a session of any length, and for whom."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from stenogram.api.server import Gateway
from stenogram.client import Client
from stenogram.domain.envelope import timestamp

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
Window = Callable[..., Any]


@pytest.fixture
async def gateway(start: Any) -> Gateway:
    """A gateway with views."""
    gateway: Gateway = await start(views="")
    return gateway


@pytest.fixture
def window(http: aiohttp.ClientSession, gateway: Gateway) -> Window:
    """Asks for a window of the session `trip`, once the view is there."""

    async def window(status: int = 200, **query: Any) -> Any:
        named = {name.rstrip("_"): str(value) for name, value in {"participant": "ada", **query}.items()}
        while True:
            async with http.get(f"{gateway.url}/v1/views/timeline/trip/window", params=named) as answer:
                if answer.status == 503:
                    await asyncio.sleep(0.1)
                    continue
                assert answer.status == status, await answer.text()
                return await answer.json()

    return window


async def _until(http: aiohttp.ClientSession, gateway: Gateway, position: int) -> None:
    asked = {"participant": "ada", "min_position": str(position), "wait": "20", "limit": "1"}
    async with http.get(f"{gateway.url}/v1/views/timeline/trip", params=asked) as answer:
        assert answer.status == 200


async def test_a_window_has_the_spans_that_reach_into_it(
    http: aiohttp.ClientSession, gateway: Gateway, window: Window
) -> None:
    async with (
        Client(gateway.url, participant="hotels", kind="agent") as client,
        client.agent(session="trip", title="A weekend") as agent,
    ):
        await agent.session.post("Before.", message="m-1")
        await agent.session.tasks.create("Find rooms", {}, task="t-1")
        task = await anext(agent.tasks())
        async with task:
            await asyncio.sleep(0.05)
            middle = datetime.now(UTC)
            await asyncio.sleep(0.05)
            await agent.session.post("Within.", message="m-2")
            await agent.session.post("Between us.", message="m-3", to="agents")
            await task.complete()
        last = await agent.session.post("After.", message="m-4")
    await _until(http, gateway, last.position)
    late = timestamp(middle + timedelta(hours=1))
    found = await window(from_=timestamp(middle), to=late)
    spans = [row["span"] for row in found["rows"]]
    assert "message:m-1" not in spans, "it had ended"
    assert "task:t-1:1" in spans, "it had begun, and went on"
    assert {"message:m-2", "message:m-4"} <= set(spans)
    assert "message:m-3" not in spans, "it is for agents"
    theirs = await window(from_=timestamp(middle), to=late, kind="agent")
    assert "message:m-3" in [row["span"] for row in theirs["rows"]]
    assert not found["sampled"]
    nothing = await window(from_=timestamp(BEGAN), to=timestamp(BEGAN + timedelta(days=1)))
    assert (nothing["rows"], nothing["sampled"]) == ([], False)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "from"),
        ({"from_": "2026-01-01T00:00:00Z"}, "to"),
        ({"from_": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "before"),
        ({"from_": "yesterday", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"from_": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "spans": 0}, "spans"),
        ({"from_": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "spans": 100_000}, "spans"),
        ({"from_": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "at": 3}, "at"),
    ],
)
async def test_what_is_no_window_is_refused(window: Window, query: dict[str, Any], said: str) -> None:
    problem = await window(400, **query)
    assert problem["code"] == "invalid"
    assert said in problem["detail"]


async def test_of_many_spans_come_as_many_as_are_wanted_from_all_of_the_window(
    http: aiohttp.ClientSession, gateway: Gateway, window: Window
) -> None:
    async with Client(gateway.url, participant="hotels", kind="agent") as client:
        begin = datetime.now(UTC) - timedelta(seconds=1)
        await client.do("trip", "session.open", {"title": "A weekend"})
        await client.do("trip", "presence.join", {})
        for number in range(10):
            await client.do("trip", "presence.status", {"status": "working", "activity": f"{number}"})
            posts = [client.do("trip", "message.post", {"message": f"m-{number}-{n}", "text": "x"}) for n in range(100)]
            await asyncio.gather(*posts)
        last = await client.do("trip", "message.post", {"message": "m-last", "text": "x"})
    await _until(http, gateway, last.positions[0])
    end = datetime.now(UTC) + timedelta(seconds=1)
    asked = {"from_": timestamp(begin), "to": timestamp(end)}
    some = await window(**asked, spans=200)
    assert some["sampled"]
    assert 5 <= len(some["rows"]) <= 200
    began = [row["began"] for row in some["rows"]]
    assert began == sorted(began)
    rounds = {row["span"].split("-")[1] for row in some["rows"] if row["lane"] == "message"}
    assert {"0", "9"} <= rounds, "from its beginning to its end"
    crowded = [row for row in some["rows"] if row["lane"] == "presence" and row["ended"]]
    assert all(row["ended"] > row["began"] for row in crowded)
    # From nearer everything is there.
    whole = await window(**asked, spans=4_000)
    close = [row for row in whole["rows"] if row["lane"] == "message"]
    assert len(close) > len([row for row in some["rows"] if row["lane"] == "message"])
