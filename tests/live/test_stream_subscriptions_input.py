"""Whatever comes in on the routes of subscriptions, it is answered as documented, and what is refused writes nothing.

STENOGRAM_TEST_EXAMPLES=100 pytest tests/live/test_stream_subscriptions_input.py
"""

import json
import os
import random
from collections.abc import Iterator
from typing import Any

import aiohttp
import orjson
import pytest
from yarl import URL

from stenogram.api.openapi.subscription_paths import subscription_paths
from stenogram.api.server import Gateway

REQUESTS = 150 * int(os.environ.get("STENOGRAM_TEST_EXAMPLES", "10"))
ONE = "/v1/stream/__ds/subscriptions/{id}"
PATHS = [ONE, ONE, f"{ONE}/streams", f"{ONE}/streams/{{path}}", f"{ONE}/claim", f"{ONE}/ack", f"{ONE}/callback"]
PATHS += [f"{ONE}/release", "/v1/stream/__ds/jwks.json", "/v1/stream/__ds/none", f"{ONE}/none"]
IDS = ["a", "a", "b", "%C3%A9", "%FF", "a%2Fb", "..", "x" * 129, "%00", "-a", "a b"]
MEMBERS: dict[str, list[Any]] = {
    "type": ["pull-wake", "pull-wake", "webhook", "push", 1, None],
    "pattern": ["events/*", "**", "**/**/**", "", "[", "/", "a//b", "é", "x" * 161, 7, None, "\ud800"],
    "streams": [[], ["events/a"], ["wakes"], ["__ds/x"], [7], "events/a", None, ["a"] * 1_001, ["é"]],
    "wake_stream": ["wakes", "wakes", "none", "s", "text", "", "é", 7, None],
    "webhook": [{"url": "http://127.0.0.1:1/"}, {"url": "http://10.0.0.1/"}, {"url": ""}, {}, "x", None, {"url": 7}],
    "lease_ttl_ms": [1_000, 600_000, 0, -1, 10**30, 1.5, "1000", True, None],
    "description": ["", "a", "x" * 2_001, 7, "\x00"],
    "worker": ["w", "", "x" * 257, 7, None],
    "wake_id": ["w", "", 7, None],
    "generation": [0, 1, 2, -1, 10**30, "1", True, None],
    "acks": [[], [{}], [{"stream": "events/a", "offset": "now"}], [{"stream": "é", "offset": "x"}], "x", [7]],
    "done": [True, False, "true", 1, None],
    "other": [1],
}
DEEP = b'{"a":' * 100 + b"1" + b"}" * 100
RAW = [b"", b"[]", b"null", b"{", b"[" * 5_000, b"\xff", b'{"type": "\\ud800"}', b"1e400", DEEP]
TOKENS = ["", "x", "a.b.c", "\u00e9", "." * 5_000]


def requests(chance: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Requests at random, of parts that mean something."""
    good = {"type": "pull-wake", "pattern": "events/*", "wake_stream": "wakes"}
    fitting: dict[str, dict[str, Any]] = {
        ONE: good,
        f"{ONE}/claim": {"worker": "w"},
        f"{ONE}/streams": {"streams": ["events/a"]},
    }
    for _ in range(count):
        template = chance.choice(PATHS)
        members = chance.sample(list(MEMBERS), chance.choice([0, 1, 1, 2, 4]))
        body: dict[str, Any] = dict(fitting.get(template, {"wake_id": "w", "generation": 1}))
        body |= {name: chance.choice(MEMBERS[name]) for name in members}
        yield {
            "method": chance.choice(["PUT", "PUT", "POST", "POST", "POST", "GET", "DELETE", "HEAD", "PATCH"]),
            "template": template,
            "id": chance.choice(IDS[: 3 if chance.random() < 0.8 else None]),
            "path": chance.choice(["events/a", "wakes", "%00", "%C3%A9", "events%2Fa"]),
            "data": chance.choice(RAW) if chance.random() < 0.2 else _json(body),
            "token": chance.choice(TOKENS),
        }


def _json(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # numbers and halves of pairs that it does not write, and others do
        return json.dumps(body).encode()


@pytest.mark.slow
@pytest.mark.timeout(120 + REQUESTS // 10)
async def test_every_answer_is_documented_and_a_refusal_writes_nothing(http: aiohttp.ClientSession, start: Any) -> None:
    gateway: Gateway = await start(log="memory:")
    log, paths, seen = (await gateway.tenants.of("")).log, subscription_paths(), set()
    for path, type in (("wakes", "application/json"), ("text", "text/plain"), ("events/a", "application/json")):
        async with http.put(f"{gateway.url}/v1/stream/{path}", headers={"Content-Type": type}) as made:
            assert made.status == 201
    for request in requests(random.Random(7), REQUESTS):
        method, template, before = request["method"], request["template"], log.position
        path = template.format(id=request["id"], path=request["path"]).replace(" ", "%20")
        headers = {"Authorization": f"Bearer {request['token']}"} if "/ack" in path or "/callback" in path else {}
        try:
            url = URL(gateway.url + path, encoded=True)
            async with http.request(method, url, data=request["data"], headers=headers) as response:
                body = await response.read()
        except (ValueError, aiohttp.ClientResponseError):  # the client itself will not send it
            continue
        seen.add((method, response.status))
        assert response.status < 500, (request, body)
        described = paths.get(template, {}).get(method.lower())
        if described is not None and response.status not in (404, 405):
            assert str(response.status) in described["responses"], (request, body)
        if response.status >= 400 and method != "HEAD":
            assert response.content_type == "application/problem+json", (request, body)
            assert log.position == before, (request, body)
    assert {status for _, status in seen} >= {200, 201, 204, 400, 401, 404, 405, 409}
