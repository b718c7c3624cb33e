"""Whatever comes in on the routes of Durable Streams, it is answered as documented, and what is refused writes nothing.

STENOGRAM_TEST_EXAMPLES=100 pytest tests/live/test_durable_streams_input.py
"""

import asyncio
import os
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import jwt
import pytest
from yarl import URL

from stenogram.api.openapi.stream_paths import stream_paths
from stenogram.api.server import Gateway

SECRET = "a secret of at least thirty-two bytes"
REQUESTS = 150 * int(os.environ.get("STENOGRAM_TEST_EXAMPLES", "10"))
PATHS = [
    "a",
    "b",
    "c/d",
    "c:d",
    "s",
    "%C3%A9",
    "%FF",
    "a b",
    "__ds/subscriptions/x",
    "..",
    "a/../b",
    "x" * 129,
    "%00",
    "-a",
    "a//",
]
TYPES = [
    "text/plain",
    "application/json",
    "application/JSON; charset=utf-8",
    "application/octet-stream",
    "nonsense",
    "",
]
NUMBERS = ["0", "1", "2", "01", "-1", "1.5", "9007199254740991", "9007199254740992", "1e3", "", "x", "٣"]
BODIES = [
    b"",
    b"text",
    b"[]",
    b"{}",
    b'[{"a": 1}, 2]',
    b"[" * 200 + b"]" * 200,
    b"\xff\x00",
    b"{",
    b'"\\ud800"',
    b"1e400",
]
TEXTS = ["p", "q", "", "\u00e9", "\t", "a" * 300, "true", "TRUE"]
TIMES = ["2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "9999-12-31T23:59:59-23:00", "tomorrow", "0"]
HEADERS: dict[str, list[str]] = {
    "Content-Type": TYPES,
    "Stream-Closed": TEXTS,
    "Stream-Seq": TEXTS,
    "Stream-TTL": [*NUMBERS, "100000000"],
    "Stream-Expires-At": TIMES,
    "Producer-Id": TEXTS,
    "Producer-Epoch": NUMBERS,
    "Producer-Seq": NUMBERS,
    "Stream-Forked-From": ["/v1/stream/a", "b", "/v1/stream/s", "/", "%", "/v1/stream/none"],
    "Stream-Fork-Offset": ["-1", "now", "0", "3", "99999", "x", "0" * 16 + "_" + "0" * 16],
    "Stream-Fork-Sub-Offset": NUMBERS,
    "If-None-Match": ["*", '"x"', "W/"],
}
QUERIES: dict[str, list[str]] = {
    "offset": ["-1", "now", "0", "2", "4", "99999", "", "a,b", "0" * 16 + "_" + "0" * 16, "end"],
    "live": ["long-poll", "SSE", ""],
    "cursor": ["1", "x", "9" * 30, "-1"],
    "foo": ["bar"],
}


def requests(chance: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Requests at random, of parts that mean something."""
    for _ in range(count):
        yield {
            "method": chance.choice(["PUT", "PUT", "POST", "POST", "GET", "HEAD", "DELETE", "PATCH"]),
            "path": chance.choice(PATHS[: 4 if chance.random() < 0.8 else None]),
            "headers": {name: chance.choice(HEADERS[name]) for name in some(chance, HEADERS, 5)},
            "params": {name: chance.choice(QUERIES[name]) for name in some(chance, QUERIES, 2)},
            "data": chance.choice(BODIES),
        }


def some(chance: random.Random, names: dict[str, list[str]], most: int) -> list[str]:
    """A few names."""
    return chance.sample(list(names), chance.randint(0, most))


@pytest.mark.slow
@pytest.mark.timeout(240 + REQUESTS // 20)
async def test_every_answer_is_documented_and_a_refusal_writes_nothing(http: aiohttp.ClientSession, start: Any) -> None:
    gateway: Gateway = await start(log="memory:", durable_streams_poll=0.01)
    log = (await gateway.tenants.of("")).log
    (operations,) = stream_paths().values()
    seen = set()
    for request in requests(random.Random(7), REQUESTS):
        method, before = request["method"], log.position
        url = URL(f"{gateway.url}/v1/stream/{request.pop('path')}".replace(" ", "%20"), encoded=True)
        try:
            async with http.request(url=url, skip_auto_headers=["Content-Type"], **request) as response:
                body = await response.read()
        except (ValueError, aiohttp.ClientResponseError):  # the client itself will not send it
            continue
        seen.add((method, response.status))
        if method.lower() in operations and response.status != 404:
            assert str(response.status) in operations[method.lower()]["responses"], (request, body)
        if response.status >= 400:
            assert response.content_type == "application/problem+json", (method, url, request, body)
            # That a fork was about to be made may be on record.
            written = [each.type for each in await log.engine.read_log(before, 10)]
            assert set(written) <= {"stream.forked", "stream.renewed"}, (request, body, written)
    assert {status for _, status in seen} >= {200, 201, 204, 400, 404, 405, 409}


async def test_a_fork_that_is_to_live_too_long_is_refused_before_its_origin_hears_of_it(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    url, log = f"{gateway.url}/v1/stream", (await gateway.tenants.of("")).log
    async with http.put(f"{url}/a", data=b"x") as made:
        assert made.status == 201
    before = log.position
    for ttl in ("100000000", "9007199254740991"):
        headers = {"Stream-Forked-From": "/v1/stream/a", "Stream-TTL": ttl}
        async with http.put(f"{url}/b", headers=headers) as refused:
            assert (refused.status, (await refused.json())["code"]) == (400, "invalid")
    assert log.position == before


@pytest.mark.parametrize("host", ["a:b:c", "["])
async def test_a_client_may_call_the_gateways_host_what_it_likes(
    http: aiohttp.ClientSession, start: Any, host: str
) -> None:
    gateway = await start(jwt_secret=SECRET)
    token = jwt.encode({"exp": time.time() + 600, "sub": "ada", "scopes": ["write:*"]}, SECRET, "HS256")
    headers = {"Host": host, "Authorization": f"Bearer {token}"}
    async with http.put(f"{gateway.url}/v1/stream/a", headers=headers, data=b"x") as made:
        assert (made.status, made.headers["Location"]) == (201, f"http://{host}/v1/stream/a")


async def test_bytes_that_are_no_text_in_headers_are_refused(gateway: Gateway) -> None:
    port = URL(gateway.url).port
    head = b"POST /v1/stream/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nProducer-Id: \xff\xfe\r\n"
    head += b"Producer-Epoch: 0\r\nProducer-Seq: 0\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    writer.write(head)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"code":"invalid"' in answer
