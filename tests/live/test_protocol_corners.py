"""What RFC 6455 asks of a server beyond what good clients meet, and what an answer does not tell."""

import asyncio
import stat
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import jwt
import orjson
import pytest
from support.wire import Wire

from stenogram.api.server import Gateway
from stenogram.api.views.progress import BuildProgress
from stenogram.domain.errors import NotReady

Start = Callable[..., Awaitable[Gateway]]
SECRET = "a secret of at least thirty-two bytes"
HELLO = b'{"frame":"hello","participant":"a"}'


class Raw:
    """A WebSocket, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, opcode: int, payload: bytes, *, masked: bool = True) -> None:
        """Send one whole frame of less than 126 bytes."""
        self.writer.write(bytes([0x80 | opcode, len(payload) | (0x80 if masked else 0)]) + bytes(4 * masked) + payload)

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: its opcode and payload."""
        head = await self.reader.readexactly(2)
        size = head[1]
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        return head[0] & 0x0F, await self.reader.readexactly(size)

    async def closed(self) -> tuple[int, list[Any]]:
        """The close code, and the frames before it."""
        frames = []
        async with asyncio.timeout(30):
            while (got := await self.frame())[0] != 8:
                if got[0] == 1:
                    frames.append(orjson.loads(got[1]))
        return struct.unpack("!H", got[1][:2])[0], frames


@pytest.fixture
def short_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is little time for a hello."""
    monkeypatch.setattr("stenogram.api.transport.websocket_server.HELLO_TIMEOUT_S", 0.3)


@pytest.fixture
async def raw(gateway: Gateway) -> AsyncIterator[Raw]:
    """A WebSocket that has not said hello."""
    port = int(gateway.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    yield Raw(reader, writer)
    writer.close()


async def greeted(raw: Raw) -> None:
    """Say hello."""
    raw.send(1, HELLO)
    assert orjson.loads((await raw.frame())[1])["frame"] == "welcome"


async def test_text_that_is_no_utf8_ends_the_connection(raw: Raw) -> None:
    await greeted(raw)
    raw.send(1, b'{"frame":"heartbeat","x":"\xff"}')
    code, (bye,) = await raw.closed()
    assert (code, bye["frame"], bye["code"]) == (1007, "bye", "not_utf8")


async def test_bytes_that_are_no_utf8_are_no_json(raw: Raw) -> None:
    await greeted(raw)
    raw.send(2, b'{"frame":"heartbeat","x":"\xff"}')
    assert orjson.loads((await raw.frame())[1])["frame"] == "refused"
    raw.send(2, b'{"frame":"heartbeat"}')
    assert orjson.loads((await raw.frame())[1]) == {"frame": "heartbeat"}


async def test_a_frame_that_is_not_masked_ends_the_connection(raw: Raw) -> None:
    raw.send(1, HELLO, masked=False)
    assert await raw.closed() == (1002, [])


async def test_a_hello_that_comes_byte_by_byte_is_a_hello(raw: Raw) -> None:
    for each in bytes([0x81, 0x80 | len(HELLO), 0, 0, 0, 0]) + HELLO:
        raw.writer.write(bytes([each]))
        await raw.writer.drain()
        await asyncio.sleep(0)
    assert orjson.loads((await raw.frame())[1])["frame"] == "welcome"


@pytest.mark.parametrize("sent", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535])
async def test_a_close_code_that_is_none_is_a_fault(raw: Raw, sent: int) -> None:
    await greeted(raw)
    raw.send(8, struct.pack("!H", sent))
    assert await raw.closed() == (1002, [])


@pytest.mark.parametrize("sent", [b"", b"\x03\xe8", b"\x03\xe9bye", b"\x0b\xb8", b"\x13\x87"])
async def test_a_close_is_answered(raw: Raw, sent: bytes) -> None:
    await greeted(raw)
    raw.send(8, sent)
    assert await raw.closed() == (1000, [])


@pytest.mark.usefixtures("short_hello")
async def test_pings_do_not_put_off_the_hello(raw: Raw) -> None:
    async def ping() -> None:
        while True:
            raw.send(9, b"")
            await asyncio.sleep(0.02)

    pinging = asyncio.create_task(ping())
    try:
        code, (refused,) = await raw.closed()
    finally:
        pinging.cancel()
    assert (code, refused["error"]["code"]) == (4500, "invalid")


# -- over HTTP


def token(seconds: float) -> str:
    """A token that is good for so long."""
    return jwt.encode({"sub": "ana", "exp": time.time() + seconds}, SECRET, "HS256")


@pytest.mark.parametrize("path", ["sessions/s/events?after=1&wait=30", "views/state/s?min_position=1&wait=30"])
async def test_a_request_does_not_wait_longer_than_its_token_is_good(
    path: str, http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_yet(self: BuildProgress, name: str, position: int, seconds: float) -> None:
        await asyncio.sleep(seconds)
        raise NotReady("It is not there yet.")

    monkeypatch.setattr(BuildProgress, "reach", not_yet)
    monkeypatch.setattr("stenogram.projections.store.store.ViewStore.current", AsyncMock(return_value=None))
    gateway = await start(jwt_secret=SECRET, views="")
    wire = await Wire.open(http, gateway.url, token=token(600))
    await wire.command("s", "session.open", {})
    headers = {"Authorization": f"Bearer {token(1.2)}"}
    async with asyncio.timeout(20), http.get(f"{gateway.url}/v1/{path}", headers=headers) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (401, "unauthenticated")


async def test_a_websocket_without_upgrade_says_what_a_proxy_must_do(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    async with http.get(f"{gateway.url}/v1/ws") as response:
        assert response.status == 400
        assert "must pass on Upgrade and Connection" in (await response.json(content_type=None))["detail"]


@pytest.mark.parametrize("path", ["health", "v1/sessions/none", "no/such"])
async def test_answers_name_no_versions(http: aiohttp.ClientSession, gateway: Gateway, path: str) -> None:
    async with http.get(f"{gateway.url}/{path}") as response:
        assert response.headers["Server"] == "Stenogram"


async def test_answers_to_what_is_no_http_name_no_versions(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"Python" not in answer
    assert b"aiohttp" not in answer


async def test_files_are_for_their_owner_alone(tmp_path: Path, http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(views="")
    wire = await Wire.open(http, gateway.url, participant="a")
    await wire.command("s", "session.open", {})
    modes = _modes(tmp_path)
    assert {"log.db", "log.db-wal", "log.db.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}, modes


def _modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()}
