"""MCP clients that fall silent, are killed, race, are nobody; and a gateway that goes and comes back.

Two hundred tasks to race for:

    STENOGRAM_RACE=200 pytest tests/live/adapters/test_mcp_faults.py
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx2
import jwt
import orjson
import pytest
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from support.mcp_models import Model, model, over_http

from stenogram.adapters.mcp import mcp_endpoint
from stenogram.api.http import asgi
from stenogram.api.http.asgi import AsgiApp, AsgiMount
from stenogram.api.server import running
from stenogram.api.settings import Settings
from stenogram.api.transport import answer_budget
from stenogram.client import Client
from stenogram.log.log import Log
from stenogram.log.storage import Storage

if TYPE_CHECKING:
    from pathlib import Path

    from live.adapters.conftest import StartBoard

    from stenogram.api.server import Gateway

SECRET = "a secret of at least thirty-two bytes"
TASKS = int(os.environ.get("STENOGRAM_RACE", "60"))
CLIENTS = 8


async def test_who_is_silent_for_its_lease_is_lost_and_its_task_is_taken_over(board: Gateway) -> None:
    async with model(board.url, "claude-1", session=None) as first, model(board.url, "claude-2") as second:
        await first.join(lease=3)
        await second.call("create_tasks", tasks=[{"title": "Write", "task": "t"}])
        stale = (await first.call("claim"))["claimed"]["handle"]
        taken = (await second.call("claim", wait=30))["claimed"]  # `first` has an open connection, and calls nothing
        assert (taken["task"], taken["attempt"]) == ("t", 2)
        assert (await first.refused("complete", stale, output=1))["code"] == "fenced"
        back = await first.call("look")
        assert "counted as lost" in back["lost"]
        assert {each["id"] for each in back["present"]} == {"claude-1", "claude-2"}
        assert "lost" not in await first.call("look")
        await second.call("complete", taken["handle"])


@pytest.mark.thorough
async def test_who_calls_within_its_lease_keeps_its_task(board: Gateway) -> None:
    async with model(board.url, "claude-1", session=None) as claude:
        await claude.join(lease=2)
        await claude.call("create_tasks", tasks=[{"title": "Write"}])
        claimed = (await claude.call("claim"))["claimed"]
        until = time.monotonic() + 5
        while time.monotonic() < until:
            await claude.call("read", wait=0.4, after=(await claude.call("look"))["version"])
        await claude.call("complete", claimed["handle"], output=1)


async def _start_stdio(url: str, participant: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "stenogram", "mcp", "--url", url, "--as", participant)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)


async def _call(process: asyncio.subprocess.Process, tool: str, **arguments: object) -> dict[str, object]:
    """A call over stdio by hand, as the protocol of 2026 has it, so that there is a process to kill."""
    assert process.stdin is not None
    assert process.stdout is not None
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    process.stdin.write(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}) + b"\n")
    async with asyncio.timeout(40):
        answer = orjson.loads(await process.stdout.readline())
    found: dict[str, object] = answer["result"]["structuredContent"]
    return found


@pytest.mark.parametrize("ending", ["killed", "terminated", "closed"])
@pytest.mark.thorough
async def test_what_a_dead_window_held_is_taken_over(board: Gateway, ending: str) -> None:
    lease = 4 if ending == "killed" else 600
    process = await _start_stdio(board.url, "claude-1")
    joined = await _call(process, "join", session="web", lease=lease)
    await _call(process, "create_tasks", handle=joined["handle"], tasks=[{"title": "Write"}])
    assert (await _call(process, "claim", handle=joined["handle"]))["claimed"]
    match ending:
        case "killed":
            process.kill()
        case "terminated":
            process.send_signal(signal.SIGTERM)
        case "closed":
            assert process.stdin is not None
            process.stdin.close()
    async with asyncio.timeout(30):
        await process.wait()
    async with model(board.url, "claude-2") as second:
        taken = (await second.call("claim", wait=30))["claimed"]
        assert taken["attempt"] == 2


async def test_a_token_says_who_it_is(start_board: StartBoard) -> None:
    gateway = await start_board(jwt_secret=SECRET)
    claims = {"sub": "claude-1", "kind": "agent", "exp": time.time() + 600, "scopes": ["read:web", "write:web"]}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        McpClient(streamable_http_client(f"{gateway.url}/mcp", http_client=http)) as client,
    ):
        claude = Model(client)
        assert (await claude.join())["handle"].startswith("web/claude-1/")
        assert (await claude.refused("join", session="other"))["code"] == "forbidden"
        stranger = claude.handle.replace("claude-1", "claude-2")
        assert (await claude.refused("look", stranger))["code"] == "forbidden"


@pytest.mark.parametrize(
    "token", [None, "x", jwt.encode({"sub": "a", "exp": 9e9}, "another secret of thirty-two bytes")]
)
async def test_without_a_good_token_nothing_is_served(
    start_board: StartBoard, http: aiohttp.ClientSession, token: str | None
) -> None:
    gateway = await start_board(jwt_secret=SECRET)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with http.post(f"{gateway.url}/mcp", json={}, headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert (await response.json())["code"] == "unauthenticated"


async def test_on_an_open_gateway_a_client_must_say_who_it_is(board: Gateway) -> None:
    async with McpClient(f"{board.url}/mcp") as client:
        refused = await client.call_tool("join", {"session": "web"})
        assert refused.is_error
        assert "?participant=" in str(refused.content)


async def test_pages_from_elsewhere_may_not_call(board: Gateway, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{board.url}/mcp", json={}, headers={"Origin": "https://evil.example"}) as response:
        assert response.status == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"jsonrpc":"2.0"}', b"\xff\xfe", b"[" * 5_000])
async def test_what_is_no_call_is_refused(board: Gateway, http: aiohttp.ClientSession, body: bytes) -> None:
    accepts = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    for more in ({}, {"Mcp-Protocol-Version": "2026-07-28"}):
        url = f"{board.url}/mcp?participant=claude-1"
        async with http.post(url, data=body, headers={**accepts, **more}) as response:
            assert 400 <= response.status < 500
    async with http.get(f"{board.url}/mcp") as response:
        assert response.status == 405


async def test_a_body_over_the_limit_is_refused(board: Gateway, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{board.url}/mcp?participant=a", data=io.BytesIO(b" " * 2_000_000)) as response:
        assert response.status == 413


async def test_who_makes_many_calls_at_a_time_does_not_keep_others_out(
    board: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "MOST_CALLS", 3)
    async with model(board.url, "claude-1") as claude, model(board.url, "claude-2") as other:
        waiting = [asyncio.create_task(claude.call("read", types=["x.none"], wait=50)) for _ in range(3)]
        await asyncio.sleep(0.5)
        busy = await _until_busy(board, "claude-1")
        assert float(busy["Retry-After"]) > 0
        await other.call("say", text="I am not held up.")
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await _until_busy(board, "claude-1", so=False)  # it is looked twice a second whether a client has gone
        await claude.call("look")


async def _until_busy(board: Gateway, participant: str, so: bool = True) -> Mapping[str, str]:
    """Call until that is too much, or no longer; the headers of the answer."""
    async with asyncio.timeout(30), aiohttp.ClientSession() as http:
        while True:
            async with http.post(f"{board.url}/mcp?participant={participant}") as response:
                if (response.status == 429) == so:
                    return response.headers
            await asyncio.sleep(0.1)


async def _answer_much(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 20_000_000})


@asynccontextmanager
async def _much(url: str) -> AsyncIterator[AsgiApp]:
    yield _answer_much


async def test_who_does_not_take_an_answer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_budget, "CHUNK_S", 0.3)
    settings = Settings(log=str(tmp_path / "log.db"), port=0, drain=0.1, views="none", views_in="gateway")
    async with running(settings, [AsgiMount("/much", _much)]) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]), limit=1_024)
        writer.write(b"POST /much HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        async with asyncio.timeout(30):
            for number in (1, 0):  # to read would be to take it
                while len(gateway.tcp_connections) != number:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            try:
                taken = len(await reader.read())
            except ConnectionResetError:
                taken = 0
        assert taken < 20_000_000
        writer.close()


async def test_a_call_outlasts_a_restart_of_the_gateway(tmp_path: Path, held_port: int) -> None:
    chosen: dict[str, Any] = {"log": str(tmp_path / "log.db"), "drain": 0.1, "views": "none", "views_in": "gateway"}
    async with running(Settings(port=held_port, **chosen)) as gateway:
        url = gateway.url
        process = await _start_stdio(url, "claude-1")
        joined = await _call(process, "join", session="web")
    saying = asyncio.create_task(_call(process, "say", handle=joined["handle"], text="Still here."))
    await asyncio.sleep(0.5)
    async with running(Settings(port=held_port, **chosen)) as gateway:
        assert "message" in await saying
        async with Client(url, participant="maya", kind="user") as client:
            assert (await client.page("web", types=["message.posted"])).events[0].actor == "claude-1"
        process.terminate()
        await process.wait()


async def test_a_gateway_ends_while_clients_wait(start_board: StartBoard, tmp_path: Path) -> None:
    settings = Settings(log=str(tmp_path / "other.db"), port=0, drain=600, views="none", views_in="gateway")
    async with running(settings, [AsgiMount("/mcp", mcp_endpoint)]) as gateway:
        waiting = over_http(gateway.url, "claude-1")
        async with waiting as client:
            claude = Model(client)
            version = (await claude.join())["version"]
            reading = asyncio.create_task(claude.refused("read", after=version, wait=50))
            await asyncio.sleep(0.3)
            await asyncio.wait_for(gateway.drain(), 30)
            reading.cancel()


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_clients_race_for_tasks_over_two_gateways(start_board: StartBoard, fresh_log: Callable[[], str]) -> None:
    log = fresh_log()
    urls = [(await start_board(log=log)).url for _ in range(2)]
    async with model(urls[0], "planner") as planner:
        for first in range(0, TASKS, 100):
            plan = [{"title": f"Task {n}", "task": f"t-{n}"} for n in range(first, min(TASKS, first + 100))]
            await planner.call("create_tasks", tasks=plan)

    all_are_there = asyncio.Barrier(CLIENTS)

    async def work(n: int) -> list[str]:
        done = list[str]()
        async with model(urls[n % 2], f"claude-{n}") as claude:
            await all_are_there.wait()
            while (claimed := (await claude.call("claim"))["claimed"]) is not None:
                await claude.call("complete", claimed["handle"], output=claimed["task"])
                done.append(claimed["task"])
        return done

    done = await asyncio.gather(*map(work, range(CLIENTS)))
    assert sorted(task for each in done for task in each) == sorted(f"t-{n}" for n in range(TASKS))
    assert min(map(len, done)) > 0
    async with Log(Storage(log).engine(read_only=True)) as source:
        state = await source.state("web")
        assert {task.status for task in state.tasks.known.values()} == {"completed"}
        assert Counter(task.attempt for task in state.tasks.known.values()) == {1: TASKS}
