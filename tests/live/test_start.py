"""A gateway that cannot start says what to change, and leaves nothing behind; what it can do without keeps it from
nothing."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.wire import Wire

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.api.views import service
from stenogram.domain.errors import ConfigurationError

Start = Callable[..., Awaitable[Gateway]]
SECRET = "a secret of at least thirty-two bytes"


async def refusal(folder: Path, **settings: Any) -> str:
    """Why a gateway with these settings does not start; it leaves no file."""
    with pytest.raises(ConfigurationError) as refused:
        async with running(Settings(**{"log": str(folder / "log.db"), "port": 0, **settings})):
            pass
    assert os.listdir(folder) == []
    return refused.value.detail


async def test_a_port_in_use_says_by_which_setting_to_change_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = await refusal(tmp_path, port=taken.getsockname()[1])
    assert "in use" in said
    assert "--port (STENOGRAM_PORT)" in said


async def test_an_address_of_another_machine_says_so(tmp_path: Path) -> None:
    for host in ("192.0.2.1", "nowhere.invalid"):
        said = await refusal(tmp_path, host=host, jwt_secret=SECRET)
        assert "--host (STENOGRAM_HOST)" in said


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"jwt_public_key": "nonsense"}, "no public key"),
        ({"jwt_secret": "short"}, "keys new"),
        ({"host": "0.0.0.0"}, "keys new"),
        ({"projections": ("nowhere:board",)}, "nowhere"),
        ({"views": "redis://views"}, "no engine"),
    ],
)
async def test_settings_that_cannot_be_leave_no_file(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    assert says in await refusal(tmp_path, **settings)


@pytest.mark.parametrize(
    ("origin", "form"),
    [
        ("https://app.example.com/", '"https://app.example.com"'),
        ("https://app.example.com/chat", '"https://app.example.com"'),
        ("HTTPS://App.Example.com", '"https://app.example.com"'),
        ("https://app.example.com:443", '"https://app.example.com"'),
        ("http://localhost:80", '"http://localhost"'),
        (" https://app.example.com", '"https://app.example.com"'),
        ("app.example.com", '"https://app.example.com"'),
        ("*", '["https://app.example.com"]'),
        ("null", '["https://app.example.com"]'),
        ("", '"https://app.example.com"'),
    ],
)
async def test_an_origin_that_no_browser_sends_is_refused_with_the_right_form(
    tmp_path: Path, origin: str, form: str
) -> None:
    said = await refusal(tmp_path, origins=(origin,))
    assert form in said
    assert repr(origin) in said


@pytest.mark.parametrize("origin", ["https://app.example.com", "http://localhost:3000", "http://[::1]:3000"])
def test_an_origin_as_browsers_send_it_is_taken(origin: str) -> None:
    Settings(origins=(origin,)).check()


async def test_a_gateway_listens_on_every_address_of_a_name(start: Start, http: aiohttp.ClientSession) -> None:
    gateway = await start(host="localhost")
    async with http.get(f"{gateway.url}/health") as answer:
        assert answer.status == 200


async def test_views_that_cannot_be_opened_keep_no_gateway_from_starting(
    start: Start,
    http: aiohttp.ClientSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(service, "RETRY_AFTER_S", 0.2)
    file = tmp_path / "log.views.db"
    file.write_bytes(b"no database at all " * 100)
    gateway = await start(views="")
    assert any("no views" in record.getMessage() for record in caplog.records)
    wire = await Wire.open(http, gateway.url, participant="maya")
    ack = await wire.command("s", "state.merge", {"patch": {"a": 1}})
    assert ack["error"]["code"] == "not_found"
    await wire.command("s", "session.open", {})
    ack = await wire.command("s", "state.merge", {"patch": {"a": 1}})
    async with http.get(f"{gateway.url}/v1/views/state/s") as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "views_failed")
    async with http.get(f"{gateway.url}/ready") as answer:
        assert answer.status == 200
    file.unlink()
    async with asyncio.timeout(40):
        while True:
            asked = {"min_position": str(ack["positions"][0]), "wait": "1"}
            async with http.get(f"{gateway.url}/v1/views/state/s", params=asked) as answer:
                if answer.status == 200:
                    assert (await answer.json())["value"] is not None
                    break
            await asyncio.sleep(0.1)
    caplog.clear()
