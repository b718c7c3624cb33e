"""Sends webhooks: one request, to an address that is checked when the connection is made, with bounds on all of it.

No redirect is followed, no proxy asked, no cookie kept. A name is resolved for each connection, and only what may be
connected to is handed on, so that it cannot lead elsewhere in between. Of an answer some thousand bytes are read.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ....domain.concepts.stream_subscriptions import Failure
from ....domain.errors import Invalid
from .signing_keys import SigningKeys
from .webhook_rules import WebhookRules

MAX_ANSWER_BYTES = 16_384
MAX_SECONDS = 30.0
"""For which an answer is waited for, if the lease is not shorter."""
AT_ONCE = 128
"""Webhooks of one gateway that are under way."""
AT_ONCE_EACH = 16
"""… and of one participant: whose workers hang keeps nobody else's waiting."""


class Delivered(NamedTuple):
    """What became of one: `failure` says why it was none, `done` whether the answer says that all is done."""

    failure: Failure | None = None
    done: bool = False


class WebhookSender:
    """Of one gateway, on the loop that made it."""

    def __init__(self, rules: WebhookRules, keys: SigningKeys) -> None:
        self.rules = rules
        self.keys = keys
        self._places = asyncio.Semaphore(AT_ONCE)
        self._places_of = WeakValueDictionary[Hashable, asyncio.Semaphore]()
        self._client: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def place(self, whose: Hashable) -> AsyncIterator[None]:
        """Wait until one may be sent, and have that for the time of the block."""
        own = self._places_of.setdefault(whose, asyncio.Semaphore(AT_ONCE_EACH))
        async with own, self._places:  # in this order: who waits for the first holds nothing
            yield

    async def send(self, url: str, body: bytes, seconds: float) -> Delivered:
        """Send one, and wait for the answer for so long."""
        try:
            address = self.rules.check(url)
            if not self._is_open(address):
                return Delivered("refused")
            async with asyncio.timeout(max(0.0, min(seconds, MAX_SECONDS))):
                return await self._exchange(address, body)
        except (Invalid, _Refused):  # what is allowed may have changed since
            return Delivered("refused")
        except TimeoutError:
            return Delivered("timeout")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Delivered("refused" if isinstance(error.__cause__, _Refused) else "connection")

    async def close(self) -> None:
        """Cut what is under way."""
        if self._client is not None:
            await self._client.close()

    def _is_open(self, url: URL) -> bool:
        """Whether an address that is a number may be connected to: those are never resolved."""
        host = url.host or ""
        return not _is_number(host) or self.rules.is_open(host, host)

    async def _exchange(self, url: URL, body: bytes) -> Delivered:
        now = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "Stenogram",
            "Webhook-Signature": self.keys.signature(body, now),
        }
        async with self._session().post(url, data=body, headers=headers, allow_redirects=False) as response:
            if not 200 <= response.status < 300:
                return Delivered("answer")
            return Delivered(done=_says_done(await _read(response)))

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            connector = aiohttp.TCPConnector(
                resolver=_CheckedResolver(self.rules), use_dns_cache=False, force_close=True, limit=AT_ONCE
            )
            self._client = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                auto_decompress=False,  # what is packed may be of any size
            )
        return self._client


class _Refused(OSError):
    """A name leads to what must not be connected to."""


class _CheckedResolver(AbstractResolver):
    def __init__(self, rules: WebhookRules) -> None:
        self._rules = rules
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The network addresses of a host that may be connected to. Raises OSError."""
        found = await self._resolver.resolve(host, port, family)
        usable = [each for each in found if self._rules.is_open(host, each["host"])]
        if not usable:
            raise _Refused(f"{host} has no address that may be connected to")
        return usable

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


def _is_number(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return False
    return True


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body; nothing where it is longer than any that is known."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            return b""
    return bytes(body)


def _says_done(body: bytes) -> bool:
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(said, dict) and said.get("done") is True
