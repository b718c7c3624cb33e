"""Links that sign in to the console of an open gateway: once, for a while, at the gateway that made them."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from stenogram.api.access import sign_in_links
from stenogram.api.access.sign_in_links import MOST_LINKS, SignInLinks
from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.api.views.storage import NO_VIEWS
from stenogram.cli.main import run
from stenogram.domain.errors import Gone

Start = Callable[..., Awaitable[Gateway]]
SECRET = "a secret of at least thirty-two bytes"


def code_in(text: str) -> str:
    found = re.search(r"#link=(\S+)", text)
    assert found, text
    return found[1]


async def sign_in(http: aiohttp.ClientSession, url: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body)
    async with http.post(f"{url}/console/sign-in", data=data, headers=headers) as answer:
        return answer.status, await answer.json()


async def stenogram(*arguments: str) -> tuple[int, str]:
    """What a command ends with, and all that it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stenogram", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_serve_prints_a_link_that_works_once(
    http: aiohttp.ClientSession, serve: Callable[..., Awaitable[Any]]
) -> None:
    process = await serve(views=NO_VIEWS)
    while "signs you in once" not in process.stderr:  # noqa: ASYNC110 - it comes from another process
        await asyncio.sleep(0.01)
    code = code_in(process.stderr)
    status, who = await sign_in(http, process.url, {"code": code})
    assert (status, who["kind"]) == (200, "user")
    assert re.fullmatch(r"[A-Za-z0-9._:@+-]+", who["participant"])
    status, refusal = await sign_in(http, process.url, {"code": code})
    assert (status, refusal["code"]) == (410, "gone")
    assert "has been used" in refusal["detail"]
    assert f"stenogram link --log {process.url}" in refusal["detail"]
    assert await process.terminate() == 0
    assert process.stderr.count(code) == 1, "nothing is logged of it but the link"


async def test_of_many_at_once_one_is_signed_in(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    code = code_in(gateway.sign_in_link("maya"))
    answers = await asyncio.gather(*(sign_in(http, gateway.url, {"code": code}) for _ in range(20)))
    assert sorted(status for status, _ in answers) == [200] + [410] * 19
    assert [who["participant"] for status, who in answers if status == 200] == ["maya"]


async def test_it_expires(http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_links, "VALID_S", 0.01)
    code = code_in(gateway.sign_in_link("maya"))
    await asyncio.sleep(0.02)
    status, refusal = await sign_in(http, gateway.url, {"code": code})
    assert status == 410
    assert "stenogram link" in refusal["detail"]


async def test_another_gateway_on_the_same_log_refuses_it(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    first = await start()
    code = code_in(first.sign_in_link("maya"))
    beside = Settings(log=str(tmp_path / "log.db"), port=0, read_only=True, views=NO_VIEWS, views_in="gateway")
    async with running(beside) as second:
        assert (await sign_in(http, second.url, {"code": code}))[0] == 410
        own = code_in(second.sign_in_link("ben"))
        assert (await sign_in(http, second.url, {"code": own}))[1]["participant"] == "ben"
    assert (await sign_in(http, first.url, {"code": code}))[0] == 200


@pytest.mark.postgres
async def test_of_several_gateways_on_postgresql_the_one_that_made_it_takes_it(
    http: aiohttp.ClientSession, fresh_log: Callable[[], str]
) -> None:
    settings = Settings(log=fresh_log(), port=0, views=NO_VIEWS, views_in="gateway")
    async with running(settings) as first, running(settings) as second:
        code = code_in(first.sign_in_link("maya"))
        assert [(await sign_in(http, each.url, {"code": code}))[0] for each in (second, first, first)] == [
            410,
            200,
            410,
        ]
    async with running(settings) as again:
        assert (await sign_in(http, again.url, {"code": code}))[0] == 410


@pytest.mark.parametrize(
    "body", [b"", b"{", [], {}, {"code": 5}, {"code": None}, {"code": "a" * 129}, {"code": "a", "b": 1}]
)
async def test_what_is_no_code_is_malformed(http: aiohttp.ClientSession, gateway: Gateway, body: object) -> None:
    status, refusal = await sign_in(http, gateway.url, body)
    assert (status, refusal["code"]) == (400, "invalid")


@pytest.mark.parametrize("code", ["", "nonsense", "é ✓", "../../etc"])
async def test_an_unknown_code_is_refused(http: aiohttp.ClientSession, gateway: Gateway, code: str) -> None:
    assert (await sign_in(http, gateway.url, {"code": code}))[0] == 410


async def test_pages_from_elsewhere_neither_make_nor_use_one(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    code, elsewhere = code_in(gateway.sign_in_link("maya")), {"Origin": "https://evil.example"}
    assert (await sign_in(http, gateway.url, {"code": code}, **elsewhere))[0] == 403
    async with http.post(f"{gateway.url}/console/links?participant=maya", headers=elsewhere) as answer:
        assert answer.status == 403
    assert (await sign_in(http, gateway.url, {"code": code}))[0] == 200


async def test_the_command_makes_another(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    code, said = await stenogram("link", "trip-7", "--as", "maya", "--log", gateway.url)
    assert (code, said.startswith(f"{gateway.url}/console/s/trip-7#link=")) == (0, True), said
    assert await sign_in(http, gateway.url, {"code": code_in(said)}) == (200, {"participant": "maya", "kind": "user"})
    code, said = await stenogram("link", "--json", "--log", gateway.url)
    assert json.loads(said)["expires_in"] == 600
    assert json.loads(said)["link"].startswith(f"{gateway.url}/console/#link=")


async def test_a_gateway_with_keys_makes_none(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET)
    code, said = await stenogram("link", "--log", gateway.url)
    assert code == 1
    assert "wants a token" in said
    bearer = jwt.encode({"sub": "maya", "exp": time.time() + 600}, SECRET, "HS256")
    async with http.post(f"{gateway.url}/console/links", headers={"Authorization": f"Bearer {bearer}"}) as answer:
        assert answer.status == 403
        assert "stenogram token" in (await answer.json())["detail"]
    status, refusal = await sign_in(http, gateway.url, {"code": "x"})
    assert (status, refusal["code"]) == (403, "forbidden")


def test_without_a_gateway_the_command_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["link", "--log", "http://127.0.0.1:9"]) == 1
    assert "cannot be reached" in capfd.readouterr().err
    assert run(["link", "--log", "team.db"]) == 1
    assert "is no gateway's address" in capfd.readouterr().err
    assert run(["link", "a/b"]) == 2


def test_no_more_than_so_many_are_known() -> None:
    links = SignInLinks()
    codes = [links.make("maya") for _ in range(MOST_LINKS + 1)]
    with pytest.raises(Gone):
        links.use(codes[0])
    assert links.use(codes[1]) == ("maya", "user")
    assert links.use(codes[-1]) == ("maya", "user")
