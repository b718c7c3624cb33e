"""Autobahn's test suite for WebSockets, against the gateway's own layer: an echo is mounted in place of what reads
frames of ours, so the handshake, the parser, the inbox, flow control and closing are those of every connection.

The suite runs under Python 2.7 and is installed for it first, so this is for `make long`: STENOGRAM_AUTOBAHN says which
cases (`*`: all, `1.*,2.*`: some). Python 2.7 is looked for under STENOGRAM_PYTHON2, as `python2.7`, and in pyenv.
"""

import asyncio
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType

from stenogram.api.delivery.websocket_encoder import text_frame
from stenogram.api.protocol.close_codes import NOT_UTF8, CloseCode
from stenogram.api.protocol.unreadable import is_utf8
from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.api.transport import websocket_server
from stenogram.api.transport.inbox import InboxResponse, Message
from stenogram.api.transport.websocket_connection import WebSocketConnection
from stenogram.api.views.storage import NO_VIEWS

CASES = os.environ.get("STENOGRAM_AUTOBAHN", "")
HERE = Path(__file__).parent
PASSED = {"OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED"}
"""UNIMPLEMENTED are the cases of compression, which a server need not offer."""


class Echo(WebSocketConnection):
    """Sends every message back as it came."""

    def welcome(self) -> None:
        """There is no hello to answer."""

    def _try_handle(self, message: Message) -> bool:
        return False

    async def _handle_message(self, message: Message) -> None:
        content = message.data if isinstance(message.data, bytes) else message.data.encode()
        if message.type is WSMsgType.BINARY:
            self.write(bytes([0x82]) + text_frame(content)[1:])
        elif is_utf8(content):
            self.write(text_frame(content))
        else:
            self.close_with_bye(NOT_UTF8, "")

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """Close without a bye: the suite wants to see nothing but its own messages."""
        self._close_code = close_code
        self.end_all()
        if self._serve_timeout is not None:
            self._serve_timeout.reschedule(0.0)


@pytest.fixture
async def echo(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    """A gateway whose WebSockets echo."""

    async def greet(
        server: websocket_server.WebSocketServer, ws: InboxResponse, transport: asyncio.Transport, remote: str | None
    ) -> tuple[WebSocketConnection, list[Any], int]:
        principal = server._auth.principal(None, {"participant": "suite", "kind": "agent"})
        tenant = await server._tenants.use(principal.tenant)
        return Echo(ws, transport, tenant, principal, server._settings, server._telemetry), [], 0

    monkeypatch.setattr(websocket_server.WebSocketServer, "_greet", greet)
    settings = Settings(log="memory:", port=0, drain=0.1, views=NO_VIEWS, views_in="gateway", frame_bytes=2**25)
    async with running(settings) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the suite runs, installed for this run."""
    python = find_python2()
    if python is None:
        pytest.skip("no Python 2.7: name one by STENOGRAM_PYTHON2")
    home = tmp_path_factory.mktemp("autobahn")
    environment = {**os.environ, "PYTHONUSERBASE": str(home)}
    command = [python, "-m", "pip", "install", "--quiet", "--user", "--no-warn-script-location"]
    done = subprocess.run(
        [*command, "-r", str(HERE / "requirements.txt")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {**environment, "WSTEST": str(home / "bin" / "wstest")}


def find_python2() -> str | None:
    """The first that is there and runs."""
    for name in _candidates():
        if shutil.which(name) and subprocess.run([name, "-V"], capture_output=True, check=False).returncode == 0:
            return name
    return None


def _candidates() -> Iterator[str]:
    if named := os.environ.get("STENOGRAM_PYTHON2"):
        yield named
    yield "python2.7"
    yield from map(str, Path.home().glob(".pyenv/versions/2.7.*/bin/python2.7"))


@pytest.mark.skipif(not CASES, reason="for make long: STENOGRAM_AUTOBAHN='*' runs it")
@pytest.mark.timeout(600)
async def test_the_suite_finds_no_fault(
    suite: dict[str, str], echo: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = await run(suite, echo.url, CASES.split(","), tmp_path)
    behaviors = Counter(result["behavior"] for result in results.values())
    with capsys.disabled():
        print(f"\nAutobahn: {len(results)} cases, {dict(behaviors)}")
    assert results
    failed = [case for case, each in results.items() if not {each["behavior"], each["behaviorClose"]} <= PASSED]
    assert failed == []


async def run(suite: dict[str, str], url: str, cases: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """What came of each case, by its number."""
    asked = {"outdir": str(folder / "reports"), "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}}
    server = {"agent": "gateway", "url": f"{url.replace('http', 'ws', 1)}/v1/ws"}
    (folder / "spec.json").write_text(json.dumps({**asked, "servers": [server]}))
    arguments = ["-m", "fuzzingclient", "-s", str(folder / "spec.json")]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        suite["WSTEST"], *arguments, env=suite, cwd=folder, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    found: dict[str, dict[str, Any]] = json.loads((folder / "reports" / "index.json").read_text())["gateway"]
    return found
