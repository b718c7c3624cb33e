"""Participants that speak natively, with tokens or on an open gateway."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt

from stenogram.api.server import Gateway
from stenogram.client import Client

SECRET = "a secret of at least thirty-two bytes"
ALL = ("read:*", "write:*")


def headers_of(sub: str, kind: str = "user", seconds: float = 600.0) -> dict[str, str]:
    """What proves who it is that may read and write everything."""
    return token(sub, *ALL, kind=kind, exp=time.time() + seconds)


def token(sub: str, *scopes: str, **claims: Any) -> dict[str, str]:
    """What proves who it is."""
    given = {"exp": time.time() + 600, "sub": sub, "scopes": list(scopes), **claims}
    return {"Authorization": f"Bearer {jwt.encode(given, SECRET, 'HS256')}"}


@asynccontextmanager
async def agent(gateway: Gateway, name: str = "planner") -> AsyncIterator[Any]:
    """An agent that has joined the session."""
    async with Client(gateway.url, participant=name) as client, client.agent(session="trip") as agent:
        yield agent


async def native_events(http: aiohttp.ClientSession, gateway: Gateway, *types: str) -> list[dict[str, Any]]:
    """The events of the session, of these types."""
    url = f"{gateway.url}/v1/sessions/trip/events?limit=1000" + (f"&types={','.join(types)}" if types else "")
    async with http.get(url) as answer:
        found: list[dict[str, Any]] = (await answer.json())["events"]
        return found


class Native:
    """Sends one participant's commands to the session."""

    def __init__(
        self, gateway: Gateway, http: aiohttp.ClientSession, sub: str, kind: str = "user", *scopes: str
    ) -> None:
        self._url = gateway.url
        self._http = http
        self.headers = token(sub, *(scopes or ALL), kind=kind)
        self._sent = 0

    async def do(self, do: str, under: Any = None, **data: Any) -> None:
        """Have a command done."""
        self._sent += 1
        command = {"id": f"{do}.{self._sent}", "do": do, "data": data, **({"under": under} if under else {})}
        url = f"{self._url}/v1/sessions/trip/commands"
        async with self._http.post(url, json=command, headers=self.headers) as answer:
            assert answer.status == 200, await answer.text()
