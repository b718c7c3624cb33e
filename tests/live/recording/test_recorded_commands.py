"""Recorded commands over HTTP: by whom, when, in which order; and what is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
import pytest

from stenogram.api.liveness.last_seen import vouched_in
from stenogram.api.server import Gateway
from stenogram.domain.envelope import timestamp

Start = Callable[..., Awaitable[Gateway]]
SECRET = "a secret of at least thirty-two bytes"


def command(id: str, do: str, data: dict[str, Any], actor: str = "claude", **more: Any) -> dict[str, Any]:
    return {"id": id, "actor": actor, "kind": "agent", "time": "2026-01-01T00:00:00Z", "do": do, "data": data, **more}


OPEN = command("c1", "session.open", {})


async def record(http: aiohttp.ClientSession, gateway: Gateway, *commands: Any, **more: Any) -> tuple[int, Any]:
    """What it is answered with."""
    scopes = more.pop("scopes", None)
    claims = {"sub": "recorder", "scopes": scopes, "exp": time.time() + 600}
    headers = {} if scopes is None else {"Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}"}
    body = {"commands": list(commands), **more}
    async with http.post(f"{gateway.url}/v1/sessions/s/recorded", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def events(http: aiohttp.ClientSession, gateway: Gateway) -> list[dict[str, Any]]:
    async with http.get(f"{gateway.url}/v1/sessions/s/events") as answer:
        found: list[dict[str, Any]] = (await answer.json()).get("events", [])
        return found


async def test_they_are_carried_out_in_order_by_whom_and_when_they_say(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    start = command("c2", "message.start", {"message": "m"}, "hotels", time="2026-01-01T00:00:05Z")
    delta = command("c3", "message.delta", {"message": "m", "index": 0, "text": "Hi"}, "hotels")
    said = await record(http, gateway, OPEN, start, delta)
    assert said == (200, {"session": "s", "done": 3, "repeated": 0, "refused": []})
    found = await events(http, gateway)
    assert [(each["actor"], each["cause"]) for each in found] == [("claude", "c1"), ("hotels", "c2"), ("hotels", "c3")]
    assert [each["time"] for each in found[1:]] == ["2026-01-01T00:00:05.000000Z"] * 2, "time never goes back"
    again = await record(http, gateway, OPEN, start, delta)
    assert again == (200, {"session": "s", "done": 0, "repeated": 3, "refused": []})
    assert await events(http, gateway) == found


async def test_what_the_rules_refuse_is_named_and_the_rest_goes_on(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    wrong = command("c2", "message.complete", {"message": "none"})
    status, said = await record(
        http, gateway, OPEN, wrong, command("c3", "message.post", {"message": "m", "text": "Hi"})
    )
    assert (status, said["done"], said["refused"]) == (200, 2, [{"id": "c2", "code": "not_found"}])
    assert gateway.telemetry.refusals["not_found"] == 1


async def test_a_clock_that_is_far_ahead_does_not_take_the_session_along(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    assert (await record(http, gateway, {**OPEN, "time": "2999-01-01T00:00:00Z"}))[0] == 200
    (opened,) = await events(http, gateway)
    assert opened["time"] < timestamp(datetime.now(UTC) + timedelta(minutes=6))


async def test_who_is_said_to_be_here_is_heard(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    assert (await record(http, gateway, here=["claude"]))[0] == 200
    (tenant,) = gateway.tenants.open.values()
    assert tenant.last_seen.was_heard(vouched_in("claude", "s"))
    assert not tenant.last_seen.was_heard(vouched_in("hotels", "s"))
    assert not tenant.last_seen.was_heard("claude"), "that would keep one of this name in any session"


async def test_a_lease_is_kept_up_in_the_session_that_is_recorded_alone(
    start: Start, http: aiohttp.ClientSession
) -> None:
    gateway = await start(jwt_secret=SECRET)
    token = jwt.encode({"sub": "claude", "kind": "agent", "exp": time.time() + 600}, SECRET, "HS256")
    headers = {"Authorization": f"Bearer {token}"}
    for session in ("s", "other"):
        for do, data in (("session.open", {}), ("presence.join", {"lease": 3.0})):
            url, body = f"{gateway.url}/v1/sessions/{session}/commands", {"id": f"c-{do}", "do": do, "data": data}
            async with http.post(url, json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
    log = gateway.tenants.open[""].log
    until = time.monotonic() + 30
    while (await log.state("other")).presence["claude"].present and time.monotonic() < until:
        assert (await record(http, gateway, here=["claude"], scopes=["record:s"]))[0] == 200
        await asyncio.sleep(0.2)
    assert not (await log.state("other")).presence["claude"].present
    assert (await log.state("s")).presence["claude"].present


async def test_what_waits_to_be_written_counts_by_its_bytes(
    gateway: Gateway, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, sizes = gateway.tenants.open[""].log, list[int]()
    submit = log.submit

    def counted(command: Any, **more: Any) -> Any:
        sizes.append(more.get("size", 0))
        return submit(command, **more)

    monkeypatch.setattr(log, "submit", counted)
    commands = [
        command(f"c{number}", "message.post", {"message": f"m{number}", "text": "x" * 10_000}) for number in range(20)
    ]
    assert (await record(http, gateway, OPEN, *commands))[0] == 200
    assert 200_000 < sum(sizes) < 210_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"actor": "users"},
        {"actor": "stenogram"},
        {"actor": "a b"},
        {"kind": "robot"},
        {"time": "yesterday"},
        {"time": 0},
        {"do": "presence.lose", "data": {"participant": "claude", "joined": 1}},
        {"do": "nothing"},
        {"data": {"colour": "red"}},
        {"id": ""},
        {"run": "r1"},
    ],
)
async def test_what_cannot_be_read_is_refused_whole(
    wrong: dict[str, Any], gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    status, problem = await record(http, gateway, OPEN, {**command("c2", "session.close", {}), **wrong})
    assert (status, "commands.1" in problem["detail"]) == (400, True), problem
    assert await events(http, gateway) == []


async def test_bodies_and_lists_are_bounded(start: Start, http: aiohttp.ClientSession) -> None:
    gateway = await start(recorded_bytes=200_000)
    many = [command(f"c{number}", "session.open", {}) for number in range(1_001)]
    assert (await record(http, gateway, *many))[0] == 400
    assert (await record(http, gateway, command("c", "session.open", {"title": "x" * 200_000})))[0] == 413
    deep: Any = {}
    for _ in range(200):
        deep = {"a": deep}
    assert (await record(http, gateway, command("c", "session.open", {"metadata": deep})))[1]["code"] == "too_deep"
    assert await events(http, gateway) == []


@pytest.mark.parametrize("scopes", [["write:*"], ["speak:s", "session:s"], ["record:t-*"], ["audit:*", "read:*"]])
async def test_it_takes_the_right_to_record_the_session(
    scopes: list[str], start: Start, http: aiohttp.ClientSession
) -> None:
    gateway = await start(jwt_secret=SECRET)
    status, problem = await record(http, gateway, OPEN, scopes=scopes)
    assert (status, problem["code"]) == (403, "forbidden")
    assert "record:s" in problem["detail"]


async def test_to_record_a_fork_takes_the_right_to_read_its_origin(start: Start, http: aiohttp.ClientSession) -> None:
    gateway = await start(jwt_secret=SECRET)
    fork = command("c1", "session.fork", {"origin": "secret"})
    assert (await record(http, gateway, fork, scopes=["record:*", "read:s"]))[0] == 403
    status, said = await record(http, gateway, fork, scopes=["record:*", "read:secret"])
    assert (status, said["refused"][0]["code"]) == (200, "not_found")
