"""What docker-compose.yml runs, without Docker: the image's command and environment, the proxy's configuration."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import yaml
from support.wire import Follower, ReconnectingWriter, Wire, workload

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
SECRET = secrets.token_hex(32)

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(NGINX is None and os.environ.get("CI") != "true", reason="nginx is not installed"),
]


Town = tuple[str, list[tuple[str, asyncio.subprocess.Process]]]


def image() -> tuple[list[str], dict[str, str]]:
    """The command and the environment of the image."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    command = re.search(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert command
    return yaml.safe_load(command[1]), dict(re.findall(r"(STENOGRAM_\w+)=(\S+)", dockerfile))


def free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def token(participant: str) -> str:
    """A token that the gateways accept."""
    return jwt.encode({"sub": participant, "kind": "agent", "exp": 2**32}, SECRET, algorithm="HS256")


@asynccontextmanager
async def process(*command: str, cwd: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run for the time of the block."""
    running = await asyncio.create_subprocess_exec(*command, cwd=cwd, env={**os.environ, **environment})
    try:
        yield running
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
        await running.wait()


def proxy_configuration(folder: Path, port: int, gateways: dict[str, int]) -> Path:
    """Compose's, with this machine's ports, and everything that nginx writes in a folder."""
    text: str = COMPOSE["configs"]["proxy"]["content"].replace("$$", "$")
    for name, at in gateways.items():
        text = text.replace(f"server {name}:8600 resolve", f"server 127.0.0.1:{at}")  # addresses: none to resolve
    text = text.replace("listen 8600", f"listen 127.0.0.1:{port}").replace("/dev/stderr", str(folder / "error.log"))
    assert "8600" not in text
    paths = "".join(
        f"{each}_temp_path {folder / each};\n" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {", "http {\n" + paths)
    path = folder / "nginx.conf"
    path.write_text(f"daemon off;\nuser root;\npid {folder / 'pid'};\n{text}" if os.geteuid() == 0 else text)
    return path


@pytest.fixture
async def town(fresh_log: Callable[[], str], tmp_path: Path, http: aiohttp.ClientSession) -> AsyncIterator[Town]:
    """The proxy's address, and the two gateways behind it with theirs."""
    command, environment = image()
    names = [name for name in COMPOSE["services"] if name.startswith("gateway")]
    port, *ports = free_ports(1 + len(names))
    log = fresh_log()
    async with AsyncExitStack() as stack:
        gateways = []
        for name, at in zip(names, ports, strict=True):
            given = COMPOSE["services"][name]["environment"]
            assert given["STENOGRAM_LOG"].startswith("postgresql://")
            own = {
                **environment,
                **given,
                "STENOGRAM_LOG": log,
                "STENOGRAM_JWT_SECRET": SECRET,
                "STENOGRAM_PORT": str(at),
            }
            running = process(sys.executable, "-m", *command, cwd=tmp_path, **own)
            gateways.append((f"http://127.0.0.1:{at}", await stack.enter_async_context(running)))
        configuration = proxy_configuration(tmp_path, port, dict(zip(names, ports, strict=True)))
        assert NGINX
        await stack.enter_async_context(process(NGINX, "-c", str(configuration), cwd=tmp_path))
        url = f"http://127.0.0.1:{port}"
        for each in (*[at for at, _ in gateways], url):
            await _ready(http, each)
        yield url, gateways


def test_the_guide_shows_the_same_proxy() -> None:
    """But for Docker's names and its resolver: a Debian's nginx takes the guide's."""
    guide = (ROOT / "docs" / "how-to" / "run-several-gateways.md").read_text()
    shown = _directives(re.findall(r"```nginx\n(.*?)```", guide, re.DOTALL)[0])
    assert shown == _directives(
        COMPOSE["configs"]["proxy"]["content"].replace("$$", "$").partition("access_log off;")[2]
    )


def _directives(text: str) -> set[str]:
    lines = [re.sub(r" resolve\b", "", line.strip()) for line in text.splitlines()]
    lines = [re.sub(r"server \S+:\d+", "server GATEWAY", line) for line in lines]
    return {line for line in lines if line and not line.startswith(("#", "resolver ", "zone "))}


async def test_the_proxy_spreads_connections_and_passes_everything_on(town: Town, http: aiohttp.ClientSession) -> None:
    url, gateways = town
    wires = [await Wire.open(http, url, token=token(f"a{number}")) for number in range(6)]
    await wires[0].command("s", "session.open", {})
    followers = [await wire.subscribe(session="s") for wire in wires]
    for number, wire in enumerate(wires):
        ack = await wire.command("s", "message.post", {"message": f"m{number}", "text": "Hello."})
        assert ack["versions"] == [number + 2]
    for wire in wires:
        await wire.reach("s", 7)
    assert len({str(follower.events) for follower in followers}) == 1
    assert [await _connections(http, at) for at, _ in gateways] == [3, 3]
    headers = {"Authorization": f"Bearer {token('a0')}"}
    async with http.get(f"{url}/v1/sessions/s/events", headers=headers) as page:
        assert (await page.json())["to"] == 7
    async with http.get(f"{url}/metrics") as hidden:
        assert hidden.status == 404
    for wire in wires:
        wire.cut()


async def test_a_gateway_that_goes_is_made_up_for_by_the_other(town: Town, http: aiohttp.ClientSession) -> None:
    url, gateways = town
    setup = await Wire.open(http, url, token=token("setup"))
    await setup.command("s", "session.open", {})
    setup.cut()
    writer = ReconnectingWriter("w", workload("w", ("s",), 400), hello={"token": token("w")})
    writing = asyncio.create_task(writer.run(http, lambda: url))
    while len(writer.acks) < 100:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    (_, first), _ = gateways
    first.send_signal(signal.SIGTERM)
    assert await first.wait() == 0
    await writing
    wire = await Wire.open(http, url, token=token("reader"))
    follower: Follower = await wire.subscribe(session="s")
    await wire.reach("s", 401)
    assert len(follower.events) == 401
    wire.cut()


async def _ready(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(90):
        while True:
            try:
                async with http.get(f"{url}/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def _connections(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(f"{url}/metrics") as answer:
        found = re.search(r'^stenogram_connections\{kind="websocket"\} (\d+)', await answer.text(), re.MULTILINE)
    assert found
    return int(found[1])
