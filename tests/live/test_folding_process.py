"""Views are folded in a process beside the gateway: what happens there hurts no command, and it never stays behind."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest
from support.processes import children, let_go

from stenogram.api.processes import watched_process
from stenogram.api.server import Gateway
from stenogram.api.views import folding_process
from stenogram.client import Client

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

pytestmark = pytest.mark.thorough
Start = Callable[..., Awaitable[Gateway]]
HERE = Path(__file__).parent
BYSTANDERS = 200


async def until(holds: Callable[[], object], within: float = 30.0) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def until_async(find: Callable[[], Awaitable[object]], wanted: object, within: float = 30.0) -> None:
    end = time.monotonic() + within
    while (found := await find()) != wanted:
        assert time.monotonic() < end, found
        await asyncio.sleep(0.1)


def oom_score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def child_of(gateway: "Process") -> int:
    """The process that folds for it."""
    await until(lambda: children(gateway.process.pid))
    return children(gateway.process.pid)[0]


async def bystanders(client: Client) -> int:
    """Commands of somebody whom views do not concern; how many were acknowledged."""
    async with client.session("bystander") as session:
        acked = 0
        for number in range(BYSTANDERS):
            await session.do("state.merge", {"patch": {"n": number}})
            acked += 1
        return acked


@pytest.fixture
async def rough(serve: "Serve", gate: Path) -> "AsyncIterator[Process]":
    """A gateway with views that misbehave."""
    yield await serve(projection="rough_views:all_of_them", views_processes=1)
    let_go(gate)


async def test_a_handler_that_blocks_keeps_no_command_waiting(rough: "Process", gate: Path) -> None:
    async with Client(rough.url, participant="hotels") as client, client.session("s") as session:
        await _posted(session, "first")
        at = (await session.do("message.post", {"message": "sleep", "text": "Rooms."})).positions[0]
        assert await bystanders(client) == BYSTANDERS
        assert (await session.view("sleeper").get()).value == {"said": ["first"]}, "it blocks to this moment"
        let_go(gate)
        kept = await session.view("sleeper").get(min_position=at, wait=20)
        assert kept.value == {"said": ["first", "sleep"]}


async def test_a_handler_that_ends_its_process_hurts_no_command(rough: "Process", gate: Path) -> None:
    async with Client(rough.url, participant="hotels") as client, client.session("s") as session:
        await _posted(session, "first")
        before = await child_of(rough)
        at = (await session.do("message.post", {"message": "leave", "text": "Rooms."})).positions[0]
        assert await bystanders(client) == BYSTANDERS
        await until(lambda: is_gone(before))
        let_go(gate)
        kept = await session.view("leaver").get(min_position=at, wait=20)
        assert kept.value == {"said": ["first", "leave"]}
    assert "the process that folds views ended with 7" in rough.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("message", "stopped", "ended"),
    [("leave", "leaver", 7), ("be-killed", "leaver", -9), ("page-and-leave", "pager__effects", 7)],
)
async def test_handlers_that_always_end_their_process_stop_their_own_view_alone(
    rough: "Process", gate: Path, tmp_path: Path, message: str, stopped: str, ended: int
) -> None:
    async with Client(rough.url, participant="hotels") as client, client.session("s") as session:
        await _posted(session, "first")
        at = (await session.do("message.post", {"message": message, "text": "Rooms."})).positions[0]
        kept = await session.view("sleeper").get(min_position=at, wait=30)
        assert kept.value == {"said": ["first", message]}
        await until_async(lambda: _stopped_views(rough.url), [stopped])
        assert "stenogram_views_stopped 1.0" in await _read(f"{rough.url}/metrics")
        code, said = await _projections(tmp_path, "status")
        assert code == 1
        assert f"{stopped}, build" in said
        assert "unhealthy: stopped: the process that folds views ended 3 times while its handlers ran" in said
        assert rough.stderr.count(f"folds views ended with {ended} in handlers of {stopped} version 1") == 3
        let_go(gate)
        code, said = await _projections(tmp_path, "retry", stopped)
        assert (code, said.startswith(f"{stopped} goes on with build")) == (0, True)
        kept = await session.view("leaver").get(min_position=at, wait=20)
        assert kept.value == {"said": ["first", message]}
        paged = gate.with_name("gate.paged")
        await until(lambda: paged.read_text().endswith(f"{message}\n"))
        await until_async(lambda: _stopped_views(rough.url), [])
    code, said = await _projections(tmp_path, "retry", stopped)
    assert (code, f"In {stopped!r} nothing is parked" in said) == (1, True), said


async def test_a_handler_that_blocks_for_too_long_stops_its_own_view_alone(
    start: Start, gate: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(folding_process, "BLOCKED_S", 5.0)
    monkeypatch.setattr(folding_process, "MAX_CRASHES", 1)
    gateway = await start(views="", views_in="process", views_processes=1, projections=("rough_views:all_of_them",))
    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        await _posted(session, "first")
        at = (await session.do("message.post", {"message": "sleep", "text": "Rooms."})).positions[0]
        kept = await session.view("leaver").get(min_position=at, wait=30)
        assert kept.value == {"said": ["first", "sleep"]}
        await until_async(lambda: _stopped_views(gateway.url), ["sleeper"])
    assert "was blocked for 5 s, and was killed in handlers of sleeper version 1" in caplog.text
    let_go(gate)
    caplog.clear()


async def test_the_first_event_that_a_gateway_acknowledges_has_its_effect(rough: "Process", gate: Path) -> None:
    async with Client(rough.url, participant="hotels") as client, client.session("s") as session:
        await _posted(session, "m1")  # long before the other process runs
        pages = gate.with_name("gate.paged")
        await until(lambda: pages.exists() and pages.read_text() == "m1\n")


async def test_what_it_logs_is_logged_by_the_gateway(serve: "Serve", gate: Path) -> None:
    gateway = await serve(projection="custom_views:all_of_them")
    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        ack = await session.post("first")
        await client.view("words").rows(min_position=ack.position, wait=20)
        await session.post("poison")
        await until(lambda: "parked 'hotels' at position 4: ValueError" in gateway.stderr)


async def test_several_processes_divide_the_views_and_one_that_ends_leaves_the_others_alone(
    serve: "Serve", gate: Path
) -> None:
    gateway = await serve(projection="rough_views:all_of_them", views_processes=2)
    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        await _posted(session, "first")
        first = set(children(gateway.process.pid))
        assert len(first) == 2
        at = (await session.do("message.post", {"message": "leave", "text": "Rooms."})).positions[0]
        await until(lambda: any(map(is_gone, first)))
        for view in ("sleeper", "pager"):
            kept = await session.view(view).get(min_position=at, wait=30)
            assert kept.value == {"said": ["first", "leave"]}
        let_go(gate)
        for view in ("leaver", "sessions", "usage"):  # which the other folds
            await session.view(view).get(min_position=at, wait=30)
        assert len([each for each in first if not is_gone(each)]) == 1


async def test_a_process_that_is_killed_is_started_again(serve: "Serve") -> None:
    gateway = await serve(views_processes=1)
    first = await child_of(gateway)
    await until(lambda: oom_score(first) > oom_score(gateway.process.pid))  # the one that a system without memory kills
    os.kill(first, signal.SIGKILL)
    await until(lambda: is_gone(first))
    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        ack = await session.do("state.merge", {"patch": {"n": 1}})
        kept = await session.view("state").get(min_position=ack.positions[0], wait=20)
        assert kept.value["value"] == {"n": 1}
    assert await child_of(gateway) != first
    assert "the process that folds views ended with -9" in gateway.stderr


@pytest.mark.parametrize(
    ("how", "blocked"),
    [
        (signal.SIGTERM, False),
        (signal.SIGINT, False),
        (signal.SIGKILL, False),
        (signal.SIGTERM, True),
        (signal.SIGKILL, True),
    ],
)
async def test_it_ends_with_its_gateway_however_that_ends(rough: "Process", how: signal.Signals, blocked: bool) -> None:
    async with Client(rough.url, participant="hotels") as client, client.session("s") as session:
        await _posted(session, "first")
        if blocked:
            await session.do("message.post", {"message": "sleep", "text": "Rooms."})
    child = await child_of(rough)
    rough.process.send_signal(how)
    async with asyncio.timeout(40):
        code = await rough.process.wait()
    assert code == (-how if how == signal.SIGKILL else 0)
    await until(lambda: is_gone(child), within=watched_process.END_S + 30)
    assert "Traceback" not in rough.stderr


async def test_a_process_that_is_frozen_is_killed_and_another_started(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watched_process, "SILENT_S", 5.0)
    gateway = await start(views="", views_in="process", views_processes=1)
    await until(lambda: children(os.getpid()))
    async with Client(gateway.url, participant="hotels") as client, client.session("s") as session:
        ack = await session.do("state.merge", {"patch": {"n": 1}})
        await session.view("state").get(min_position=ack.positions[0], wait=20)
        (frozen,) = _folding(os.getpid())
        os.kill(frozen, signal.SIGSTOP)
        ack = await session.do("state.merge", {"patch": {"n": 2}})
        kept = await session.view("state").get(min_position=ack.positions[0], wait=30)
        assert kept.value["value"] == {"n": 2}
        assert is_gone(frozen)
    assert "has said nothing for 5 s, and was killed" in caplog.text
    caplog.clear()


def _folding(pid: int) -> list[int]:
    return children(pid, b"folding_program")


async def _posted(session: Any, message: str) -> None:
    """Post, and wait until it is in all views."""
    ack = await session.do("message.post", {"message": message, "text": "Rooms."})
    for view in ("sleeper", "leaver", "pager"):
        await session.view(view).get(min_position=ack.positions[0], wait=20)


async def _read(url: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(url) as response:
        return await response.text()


async def _stopped_views(url: str) -> list[str]:
    """The views that have stopped, as the gateway's readiness says."""
    found: list[str] = orjson.loads(await _read(f"{url}/ready")).get("stopped_views", [])
    return found


async def _projections(folder: Path, *arguments: str) -> tuple[int, str]:
    """`stenogram projections …` for the log in a folder: its exit code, and what it said."""
    environment = {**os.environ, "NO_COLOR": "1", "STENOGRAM_LOG": str(folder / "log.db")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stenogram", "projections", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
