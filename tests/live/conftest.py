"""A running gateway, in this process or in one of its own, and connections to it.

In a process of its own it keeps views, as the product does. In this process it does so where a test asks for them
(`views=""`): hundreds of gateways start here, and making every built-in view would be most of what they do. It folds
them itself then, for a process that does takes half a second to start.

A test fails when anything was logged as an error while it ran: no fault of the gateway goes by unseen.

Nobody is taken for silent or slow but where a test sets after how many seconds: raw connections send no heartbeats of
themselves, and on a slow machine they may be quiet for longer than a gateway bears by default.
"""

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.ports import held_port
from support.wire import Wire

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.api.views.storage import NO_VIEWS, ViewStorage
from stenogram.log.log import Log
from stenogram.log.storage import Storage
from stenogram.projections.verify import verify
from stenogram.projections.views import BUILT_IN
from stenogram.testing.stage import Stage

Open = Callable[..., Awaitable[Wire]]
Start = Callable[..., Awaitable[Gateway]]
Verify = Callable[[str], Awaitable[None]]

PATIENT = {"heartbeat": 60.0, "slow_after": 60.0}


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """Nothing is logged as an error; and not as a warning, but for what `reconnects`."""
    lowest = logging.WARNING if request.node.get_closest_marker("reconnects") is None else logging.ERROR
    caplog.set_level(logging.WARNING)
    yield
    faults = [record for record in caplog.get_records("call") if record.levelno >= lowest]
    said = [f"{record.name}: {record.getMessage()} {record.exc_text or ''}" for record in faults]
    assert not said, "\n".join(said)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that lets the handlers of `rough_views` go on."""
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", here)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("ROUGH_VIEWS_GATE", str(tmp_path / "gate"))
    return tmp_path / "gate"


@pytest.fixture
async def http(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client without limits on connections. It ends all of them, also those that a test has left or cut."""
    opened: list[aiohttp.ClientWebSocketResponse] = []
    connect = aiohttp.ClientSession._ws_connect

    async def recorded(session: aiohttp.ClientSession, *args: Any, **more: Any) -> aiohttp.ClientWebSocketResponse:
        opened.append(await connect(session, *args, **more))
        return opened[-1]

    monkeypatch.setattr(aiohttp.ClientSession, "_ws_connect", recorded)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session
        for ws in opened:
            if (connection := ws._response.connection) is not None:
                connection.close()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a gateway in this process, with settings of choice."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Gateway:
            views = {"views": NO_VIEWS, "views_in": "gateway"}
            chosen = {"log": str(tmp_path / "log.db"), "port": 0, "drain": 0.1, **PATIENT, **views, **settings}
            return await stack.enter_async_context(running(Settings(**chosen)))

        yield start


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway in this process with the defaults."""
    return await start()


@pytest.fixture
async def connect(http: aiohttp.ClientSession, gateway: Gateway) -> Open:
    """Opens raw connections to `gateway`, by default as the agent `hotels`."""

    async def connect(participant: str = "hotels", kind: str = "agent", **more: Any) -> Wire:
        return await Wire.open(http, gateway.url, participant=participant, kind=kind, **more)

    return connect


@pytest.fixture
async def wire(connect: Open) -> Wire:
    """A connection whose session `s` is open."""
    wire = await connect()
    assert (await wire.command("s", "session.open", {}))["frame"] == "ack"
    return wire


class Process:
    """A gateway in a process of its own; `stderr` is complete once it has ended."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, stderr: Path) -> None:
        self.process = process
        self.url = url
        self._stderr = stderr

    @property
    def stderr(self) -> str:
        """What it said so far."""
        return self._stderr.read_text()

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        await self.process.wait()

    async def terminate(self, within: float = 30.0) -> int:
        """Ask it to end; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(within):
            return await self.process.wait()

    def memory(self) -> int:
        """Resident bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024


Serve = Callable[..., Awaitable[Process]]
_numbers = count(1)


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Starts `stenogram serve` in a process of its own, with options of choice; `env` adds to its environment."""
    async with AsyncExitStack() as stack:

        async def serve(**options: Any) -> Process:
            if "port" not in options:  # one to come back to
                options["port"] = stack.enter_context(held_port())
            return await stack.enter_async_context(_serving(tmp_path, options))

        yield serve


@asynccontextmanager
async def _serving(folder: Path, options: dict[str, Any]) -> AsyncIterator[Process]:
    env = {**os.environ, "NO_COLOR": "1", **options.pop("env", {})}
    chosen = {"log": folder / "log.db", **PATIENT, **options}
    arguments = [word for name, value in chosen.items() for word in _option(name, value)]
    said = folder / f"stderr-{next(_numbers)}"
    with said.open("w") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stenogram", "serve", *arguments, stderr=stderr, env=env
        )
    try:
        yield Process(process, await _url(process, said), said)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _option(name: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    return [option] if value is True else [option, str(value)]


async def _url(process: asyncio.subprocess.Process, said: Path) -> str:
    async with asyncio.timeout(120):
        while not (found := _announced(said)):
            assert process.returncode is None, f"it ended with {process.returncode}"
            await asyncio.sleep(0.01)
    return found


def _announced(said: Path) -> str:
    found = re.search(r"http://[\d.]+:\d+", said.read_text())
    return found[0] if found else ""


@pytest.fixture
def verify_views() -> Verify:
    """Sees that every built-in view of a log is what a fresh fold of it comes to. A gateway must be keeping them."""

    async def check(log: str) -> None:
        async with Log(Storage(log).engine(read_only=True)) as source, ViewStorage("", log).store() as store:
            for projection in BUILT_IN:
                await Stage(source, store).caught_up(projection.name, within=60)
                assert (await verify(source, store, projection)).differences == []

    return check
