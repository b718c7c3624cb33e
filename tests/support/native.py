"""Participants that send commands natively, with tokens."""

import time
from typing import Any

import aiohttp
import jwt

from stenogram.api.server import Gateway

SECRET = "a secret of at least thirty-two bytes"


def headers_of(sub: str, kind: str = "user", seconds: float = 60.0) -> dict[str, str]:
    """What proves who it is."""
    claims = {"exp": time.time() + seconds, "sub": sub, "kind": kind, "scopes": ["read:*", "write:*"]}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}


class Native:
    """Sends one participant's commands to the session."""

    def __init__(self, gateway: Gateway, http: aiohttp.ClientSession, sub: str, kind: str = "user") -> None:
        self._url = f"{gateway.url}/v1/sessions/trip/commands"
        self._http = http
        self._headers = headers_of(sub, kind)
        self._sent = 0

    async def do(self, do: str, under: Any = None, **data: Any) -> None:
        """Have a command done."""
        self._sent += 1
        command = {"id": f"{do}.{self._sent}", "do": do, "data": data, **({"under": under} if under else {})}
        async with self._http.post(self._url, json=command, headers=self._headers) as answer:
            assert answer.status == 200, await answer.text()
