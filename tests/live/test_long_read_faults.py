"""Long reads when things go wrong: a process that ends, blocks or is frozen; clients that hang up; too many at once."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support.processes import children, let_go
from support.wire import Wire

from stenogram.api.processes import watched_process
from stenogram.api.reading import gate as reading_gate
from stenogram.api.reading import process
from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.projections.moments import Moments

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

pytestmark = pytest.mark.thorough
Start = Callable[..., Awaitable[Gateway]]
HERE = Path(__file__).parent
AGENT = {"participant": "hotels", "kind": "agent"}


def readers(pid: int) -> list[int]:
    """The processes that answer long reads for the gateway in this one."""
    return children(pid, b"reading.program")


async def until(holds: Callable[[], object], within: float = 30.0) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def say(http: aiohttp.ClientSession, url: str, *messages: str) -> Wire:
    """Open the session `s` and post these."""
    wire = await Wire.open(http, url, participant="hotels", kind="agent")
    await wire.command("s", "session.open", {})
    for message in messages:
        assert (await wire.command("s", "message.post", {"message": message, "text": "Rooms."}))["frame"] == "ack"
    return wire


async def get(http: aiohttp.ClientSession, url: str, **who: str) -> tuple[int, Any]:
    async with http.get(url, params={**AGENT, **who}) as response:
        return response.status, await response.json(content_type=None)


async def test_a_process_that_was_killed_is_replaced(http: aiohttp.ClientSession, serve: "Serve") -> None:
    gateway = await serve()
    await say(http, gateway.url, "m1")
    killed = set[int]()
    for _ in range(2):
        assert (await get(http, f"{gateway.url}/v1/views/state/s?at=2"))[0] == 404  # there is no document yet
        (reader,) = readers(gateway.process.pid)
        assert reader not in killed
        os.kill(reader, signal.SIGKILL)
        killed.add(reader)
    assert (await get(http, f"{gateway.url}/v1/sessions/s?at=2"))[1]["version"] == 2
    assert "the process that answers long reads ended with -9" in gateway.stderr


@pytest.mark.thorough
async def test_a_request_whose_process_ends_is_asked_once_more(
    http: aiohttp.ClientSession, serve: "Serve", gate: Path
) -> None:
    gateway = await serve(projection="rough_views:all_of_them", views_in="process")
    await say(http, gateway.url, "first", "leave")
    url = f"{gateway.url}/v1/views/leaver/s?at=3"
    status, problem = await get(http, url)
    assert (status, problem["code"], problem["retry_after"]) == (503, "not_ready", 2.0)
    asked = asyncio.create_task(get(http, url))
    await until(lambda: readers(gateway.process.pid))
    (reader,) = readers(gateway.process.pid)
    await until(lambda: reader not in readers(gateway.process.pid))
    let_go(gate)
    assert (await asked)[1]["value"] == {"said": ["first", "leave"]}


@pytest.mark.thorough
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_it_ends_with_its_gateway_though_a_handler_blocks(
    how: signal.Signals, http: aiohttp.ClientSession, serve: "Serve", gate: Path
) -> None:
    gateway = await serve(projection="rough_views:all_of_them")
    await say(http, gateway.url, "first", "sleep")
    asked = asyncio.create_task(get(http, f"{gateway.url}/v1/views/sleeper/s?at=3"))
    await until(lambda: readers(gateway.process.pid))
    (reader,) = readers(gateway.process.pid)
    await asyncio.sleep(0.5)
    gateway.process.send_signal(how)
    async with asyncio.timeout(40):
        assert await gateway.process.wait() == (-how if how == signal.SIGKILL else 0)
    await until(lambda: reader not in _alive())
    assert (await asyncio.gather(asked, return_exceptions=True))[0] is not None
    assert "Traceback" not in gateway.stderr
    let_go(gate)


def _alive() -> set[int]:
    found = set[int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(int(stat.parent.name))
    return found


async def test_a_process_that_is_frozen_is_replaced(
    http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watched_process, "SILENT_S", 5.0)
    gateway = await start(views_in="process")
    await say(http, gateway.url, "m1")
    url = f"{gateway.url}/v1/sessions/s?at=2"
    assert (await get(http, url))[0] == 200
    (frozen,) = readers(os.getpid())
    os.kill(frozen, signal.SIGSTOP)
    assert (await get(http, url))[0] == 200
    assert frozen not in readers(os.getpid())
    assert "has said nothing for 5 s, and was killed" in caplog.text
    caplog.clear()


async def test_a_process_that_nobody_needs_is_ended(
    http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "IDLE_S", 0.3)
    gateway = await start(views_in="process")
    await say(http, gateway.url, "m1")
    assert readers(os.getpid()) == []
    for _ in range(2):
        assert (await get(http, f"{gateway.url}/v1/sessions/s?at=2"))[0] == 200
        await until(lambda: not readers(os.getpid()))


async def test_it_is_there_for_those_who_open_the_console(
    http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "IDLE_S", 0.3)
    gateway = await start(views_in="process")
    await say(http, gateway.url, "m1")
    async with http.get(f"{gateway.url}/console/style.css") as response:
        assert response.status == 200
    assert readers(os.getpid()) == []
    async with http.get(f"{gateway.url}/console/s/s") as response:
        assert response.status == 200
    await until(lambda: readers(os.getpid()))
    (prepared,) = readers(os.getpid())
    async with asyncio.timeout(60):
        assert (await get(http, f"{gateway.url}/v1/sessions/s?at=2"))[0] == 200
    assert prepared
    await until(lambda: not readers(os.getpid()))


async def test_one_that_fails_is_not_started_again_by_those_who_open_the_console(
    http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process, "PROGRAM", "stenogram.api.reading.there_is_no_such_program")
    gateway = await start(views_in="process")
    reading = gateway.long_reads.prepare.__self__  # type: ignore[attr-defined]
    for _ in range(3):
        async with http.get(f"{gateway.url}/console/") as response:
            assert response.status == 200
        await until(lambda: not reading._running.wanted)
    assert reading._started == 1
    assert "ended with 1" in caplog.text
    caplog.clear()


class Held:
    """Folds of moments that wait until they are let go."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.go_on = asyncio.Event()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    """From now on no moment is folded before it is let go."""
    held, rows = Held(), Moments.rows

    async def waiting(self: Moments[Any, Any], *args: Any) -> Any:
        held.begun += 1
        try:
            await held.go_on.wait()
        except asyncio.CancelledError:
            held.cancelled += 1
            raise
        return await rows(self, *args)

    monkeypatch.setattr(Moments, "rows", waiting)
    return held


async def test_many_readers_of_a_moment_have_it_folded_once(
    http: aiohttp.ClientSession, start: Start, held: Held
) -> None:
    gateway = await start(views="")
    await say(http, gateway.url, *(f"m{n}" for n in range(5)))
    url = f"{gateway.url}/v1/views/timeline/s?at=5"
    asked = [asyncio.create_task(get(http, url, participant=f"p{n}")) for n in range(20)]
    await until(lambda: held.begun)
    await asyncio.sleep(0.2)
    held.go_on.set()
    answers = await asyncio.gather(*asked)
    assert [(status, len(page["rows"])) for status, page in answers] == [(200, 4)] * 20
    assert held.begun == 1


async def test_what_was_begun_for_a_client_that_hangs_up_is_given_up(
    http: aiohttp.ClientSession, start: Start, held: Held
) -> None:
    gateway = await start(views="")
    await say(http, gateway.url, "m1")
    asked = asyncio.create_task(get(http, f"{gateway.url}/v1/views/timeline/s?at=2"))
    await until(lambda: held.begun)
    asked.cancel()
    await until(lambda: held.cancelled)
    held.go_on.set()
    assert (await get(http, f"{gateway.url}/v1/views/timeline/s?at=2"))[0] == 200


async def test_too_many_are_told_to_come_back(
    http: aiohttp.ClientSession, start: Start, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_gate, "MOST_WAITING_EACH", 2)
    gateway = await start(views="")
    wire = await say(http, gateway.url, "m1")
    url = f"{gateway.url}/v1/views/timeline/s?at=2"
    asked = [asyncio.create_task(get(http, url)) for _ in range(3)]
    await until(lambda: held.begun and gateway.long_reads.turns.waiting == 2)
    async with http.get(url, params=AGENT) as response:
        problem = await response.json(content_type=None)
        assert (response.status, problem["code"]) == (503, "overloaded")
        assert float(response.headers["Retry-After"]) == problem["retry_after"] == 2.0
    other = asyncio.create_task(get(http, url, participant="flights"))
    await asyncio.sleep(0.1)
    assert (await wire.command("s", "message.post", {"message": "m", "text": "Still."}))["frame"] == "ack"
    assert (await get(http, f"{gateway.url}/v1/sessions/s"))[0] == 200
    held.go_on.set()
    assert [status for status, _ in await asyncio.gather(*asked, other)] == [200] * 4
    async with http.get(f"{gateway.url}/metrics") as response:
        assert "stenogram_overloaded_total 1.0" in await response.text()


async def test_whoever_waits_is_let_go_when_the_gateway_ends(http: aiohttp.ClientSession, held: Held) -> None:
    async with asyncio.timeout(30), running(Settings(log="memory:", port=0, drain=0.2)) as gateway:
        await say(http, gateway.url, "m1")
        asked = asyncio.create_task(get(http, f"{gateway.url}/v1/views/timeline/s?at=2"))
        await until(lambda: held.begun)
    assert held.cancelled == 1
    with pytest.raises(aiohttp.ClientError):
        await asked
