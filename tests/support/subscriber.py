"""Subscribers of streams: who subscribes and works, as a raw client of the protocol, and a receiver of webhooks."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import orjson
from aiohttp import web

SECRET = "a secret of at least thirty-two bytes"
JSON = {"Content-Type": "application/json"}
WAIT_S = 30.0
Respond = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


class Subscriber:
    """A participant of a gateway; with `claims` one that has a token."""

    def __init__(self, http: aiohttp.ClientSession, url: str, **claims: Any) -> None:
        self._http, self.url, self.headers = http, f"{url}/v1/stream", dict(JSON)
        if claims:
            self.headers["Authorization"] = f"Bearer {token_of(**claims)}"

    async def ask(self, method: str, path: str, body: Any = None, *, bearer: str = "") -> tuple[int, Any]:
        """One request; the status, and what the body says."""
        headers = {**self.headers, "Authorization": f"Bearer {bearer}"} if bearer else self.headers
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        async with self._http.request(method, f"{self.url}/{path}", data=data, headers=headers) as response:
            said = await response.read()
            return response.status, orjson.loads(said) if said and "json" in response.content_type else said

    async def done(self, method: str, path: str, body: Any = None, *, bearer: str = "") -> Any:
        """The same; it must succeed."""
        status, said = await self.ask(method, path, body, bearer=bearer)
        assert status < 300, (method, path, status, said)
        return said

    async def subscribe(self, name: str, **body: Any) -> Any:
        """Subscribe, by default to what is in `events/`."""
        wanted = {"pattern": "events/*", "lease_ttl_ms": 600_000, **body}
        if "webhook" in wanted:
            wanted = {"type": "webhook", **wanted, "webhook": {"url": wanted["webhook"]}}
        else:
            wanted = {"type": "pull-wake", "wake_stream": "wakes", **wanted}
            await self.done("PUT", wanted["wake_stream"], [])
        return await self.done("PUT", f"__ds/subscriptions/{name}", wanted)

    async def of(self, name: str, what: str = "", body: Any = None, *, bearer: str = "") -> tuple[int, Any]:
        """Ask something of a subscription: show it, or with `what` do that."""
        path = f"__ds/subscriptions/{name}{what and '/' + what}"
        return await self.ask("POST" if what else "GET", path, body, bearer=bearer)

    async def claim(self, name: str, worker: str = "w") -> Any:
        """Claim the work, as soon as there is some."""
        while True:
            status, said = await self.of(name, "claim", {"worker": worker})
            if status == 200:
                return said
            assert said["error"]["code"] == "NO_PENDING_WORK", said
            await asyncio.sleep(0.05)

    async def ack(self, name: str, claimed: Any, done: bool = True, **more: Any) -> tuple[int, Any]:
        """Say that all is done that was claimed."""
        acks = [{"stream": each["path"], "offset": each["tail_offset"]} for each in claimed["streams"]]
        body = {"wake_id": claimed["wake_id"], "generation": claimed["generation"], "acks": acks, "done": done, **more}
        return await self.of(name, "ack", body, bearer=claimed["token"])

    async def wakes(self, name: str, count: int, stream: str = "wakes") -> list[Any]:
        """The wakes of a subscription in a wake stream, once there are so many."""
        async with asyncio.timeout(WAIT_S):
            while True:
                said = await self.done("GET", stream)
                found = [each for each in said if each["subscription_id"] == name]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.05)

    async def until(self, name: str, seen: Callable[[Any], bool]) -> Any:
        """The subscription, once it is as it is waited for."""
        async with asyncio.timeout(WAIT_S):
            while True:
                status, said = await self.of(name)
                if status == 200 and seen(said):
                    return said
                await asyncio.sleep(0.05)


def token_of(**claims: Any) -> str:
    """A token with these claims."""
    return jwt.encode({"exp": time.time() + 3_600, **claims}, SECRET, "HS256")


class Receiver:
    """What is called by webhooks. `respond` answers; everything that came is in `received`, newest last."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.respond: Respond = done
        self._came = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call."""
        raw = await request.read()
        said = {**orjson.loads(raw), "raw": raw, "signature": request.headers.get("Webhook-Signature")}
        async with self._came:
            self.received.append(said)
            self.paths.append(request.path)
            self._came.notify_all()
        return await self.respond(said)

    async def wait(self, count: int) -> list[dict[str, Any]]:
        """What has come, once it is so much."""
        async with asyncio.timeout(WAIT_S), self._came:
            await self._came.wait_for(lambda: len(self.received) >= count)
        return self.received


async def done(_: dict[str, Any]) -> web.StreamResponse:
    """Say that all is done."""
    return web.json_response({"done": True})


async def later(_: dict[str, Any]) -> web.StreamResponse:
    """Say that it was received, and no more."""
    return web.json_response({})


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver for the time of the block."""
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
