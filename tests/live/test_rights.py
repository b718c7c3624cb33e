"""Rights finer than `write`, over every face of the gateway that takes commands."""

import time
from collections.abc import Awaitable, Callable

import aiohttp
import jwt
from support.wire import Wire

from stenogram.api.server import Gateway

Start = Callable[..., Awaitable[Gateway]]
SECRET = "a secret of at least thirty-two bytes"


def token(who: str, *scopes: str) -> str:
    """A token with these scopes."""
    return jwt.encode({"exp": time.time() + 600, "sub": who, "scopes": list(scopes)}, SECRET, "HS256")


async def test_a_token_that_may_speak_may_not_cancel(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET)
    owner = await Wire.open(http, gateway.url, token=token("owner", "read:*", "write:*"))
    await owner.command("s", "session.open", {})
    guest = await Wire.open(http, gateway.url, token=token("guest", "read:*", "speak:s"))
    await guest.command("s", "presence.join", {})
    await guest.command("s", "message.post", {"message": "m1", "text": "Hi."})
    cancel = {"signal": "x", "kind": "cancel", "target": "session"}
    refusal = (await guest.command("s", "signal.raise", cancel))["error"]
    assert refusal["code"] == "forbidden"
    assert "interrupt work" in refusal["detail"]


async def test_the_same_over_http(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET)
    statuses = {}
    bearer = {"Authorization": f"Bearer {token('clerk', 'session:trip-*', 'tasks:trip-*')}"}
    for do, data in {"session.open": {}, "task.create": {"task": "t", "title": "T"}, "floor.move": {}}.items():
        body = {"id": do, "do": do, "data": data}
        path = f"{gateway.url}/v1/sessions/trip-1/commands"
        async with http.post(path, json=body, headers=bearer) as response:
            statuses[do] = response.status
    assert statuses == {"session.open": 200, "task.create": 200, "floor.move": 403}
