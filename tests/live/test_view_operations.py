"""Rebuilding and promoting views over HTTP, and who may."""

import asyncio
import time
from typing import Any

import aiohttp
import jwt
import pytest

from stenogram.api.server import Gateway
from stenogram.client import Client

SECRET = "a secret that is long enough for HS256"


def _token(*scopes: str) -> str:
    return jwt.encode({"sub": "maya", "exp": time.time() + 600, "scopes": list(scopes)}, SECRET, "HS256")


async def _post(http: aiohttp.ClientSession, url: str, path: str, token: str | None = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with http.post(f"{url}/v1/views/{path}", headers=headers) as answer:
        return answer.status, await answer.json()


async def _build(http: aiohttp.ClientSession, gateway: Gateway, view: str, state: str) -> dict[str, Any]:
    """The build of a view in that state, once there is one that has caught up."""
    async with asyncio.timeout(40):
        while True:
            async with http.get(f"{gateway.url}/v1/views") as answer:
                views = {each["view"]: each for each in (await answer.json())["views"]}
            found: list[dict[str, Any]] = [each for each in views[view]["builds"] if each["state"] == state]
            if found and not found[0]["behind"]:
                return found[0]
            await asyncio.sleep(0.05)


async def test_a_view_is_rebuilt_beside_what_readers_see_and_promoted(start: Any, http: aiohttp.ClientSession) -> None:
    gateway: Gateway = await start(views="", promote="manual")
    async with Client(gateway.url, participant="ada", kind="user") as client:
        await client.do("trip", "session.open", {"title": "A weekend"})
    first = await _build(http, gateway, "agents", "current")
    status, begun = await _post(http, gateway.url, "agents/rebuild")
    assert (status, begun["view"], begun["build"]["state"]) == (200, "agents", "building")
    assert (await _post(http, gateway.url, "agents/rebuild"))[1]["build"]["build"] == begun["build"]["build"]
    made = await _build(http, gateway, "agents", "building")
    assert (await _build(http, gateway, "agents", "current"))["build"] == first["build"]
    status, promoted = await _post(http, gateway.url, "agents/promote")
    assert (status, promoted["build"]["build"], promoted["build"]["state"]) == (200, made["build"], "current")
    assert (await _build(http, gateway, "agents", "retired"))["build"] == first["build"]


async def test_what_cannot_be_done_is_refused(start: Any, http: aiohttp.ClientSession) -> None:
    gateway: Gateway = await start(views="")
    for path, status, code in (
        ("agents/promote", 404, "not_found"),
        ("nothing/rebuild", 404, "not_found"),
        ("agents/rebuild?build=7", 400, "invalid"),
    ):
        found, problem = await _post(http, gateway.url, path)
        assert (found, problem["code"]) == (status, code), path


@pytest.mark.parametrize("scopes", [(), ("read:*", "write:*"), ("read:*", "audit:*"), ("operate:trip-*",)])
async def test_it_takes_the_right_to_operate(start: Any, http: aiohttp.ClientSession, scopes: tuple[str, ...]) -> None:
    gateway: Gateway = await start(views="", jwt_secret=SECRET)
    for what in ("rebuild", "promote"):
        status, problem = await _post(http, gateway.url, f"agents/{what}", _token(*scopes))
        assert (status, problem["code"]) == (403, "forbidden")
        assert "operate:*" in problem["detail"]
    status, _ = await _post(http, gateway.url, "agents/rebuild", _token("operate:*"))
    assert status in {200, 404}, "404: the view is not there yet"
