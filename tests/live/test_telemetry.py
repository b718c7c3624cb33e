"""What an operator sees of a gateway at work: a line for each connection and refusal, metrics that move, spans."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from support.wire import Closed, Wire

from stenogram.api.server import Gateway
from stenogram.api.telemetry.line_limiter import BURST, LINES_PER_SECOND
from stenogram.log.sqlite import SqliteEngine
from stenogram.testing import command

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

Start = Callable[..., Awaitable[Gateway]]
Lines = Callable[[str], list[dict[str, Any]]]
SECRET = "a secret of at least thirty-two bytes"


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "maya", "exp": time.time() + 600, **claims}, SECRET, "HS256")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """What was logged with this message: the fields of each line."""
    caplog.set_level(logging.INFO, "stenogram")
    usual = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def lines(message: str) -> list[dict[str, Any]]:
        found = [record for record in caplog.records if record.getMessage() == message]
        return [{name: value for name, value in vars(each).items() if name not in usual} for each in found]

    return lines


async def samples(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """All samples of ours, with their labels in their names."""
    async with http.get(f"{url}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
        found = [sample for family in families for sample in family.samples if sample.name.startswith("stenogram_")]
    return {"/".join((each.name, *[value for _, value in sorted(each.labels.items())])): each.value for each in found}


async def until(holds: Callable[[], object], within: float = 30.0) -> None:
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


# -- Lines -------------------------------------------------------------------------------------------------------------


async def test_a_connection_that_has_ended_is_a_line(http: aiohttp.ClientSession, start: Start, lines: Lines) -> None:
    gateway = await start(jwt_secret=SECRET)
    wire = await Wire.open(http, gateway.url, token=token(tenant="acme", kind="agent"), run="r-1")
    await wire.command("s", "session.open", {})
    wire.cut()
    await until(lambda: lines("connection ended"))
    (line,) = lines("connection ended")
    assert line.pop("seconds") >= 0
    assert line == {
        "kind": "websocket",
        "code": "closed_by_client",
        "participant": "maya",
        "participant_kind": "agent",
        "tenant": "acme",
        "run": "r-1",
        "remote": "127.0.0.1",
        "commands": 1,
    }
    bearer = {"Authorization": f"Bearer {token()}", "Accept": "text/event-stream"}
    stream = await http.get(f"{gateway.url}/v1/events", headers=bearer)
    stream.close()
    await until(lambda: len(lines("connection ended")) == 2)
    assert lines("connection ended")[1]["kind"] == "stream"
    told = await samples(http, gateway.url)
    assert told["stenogram_connections_ended_total/closed_by_client/websocket"] == 1
    assert told["stenogram_connections_ended_total/closed_by_client/stream"] == 1


async def test_a_refusal_is_a_line_and_counts(http: aiohttp.ClientSession, start: Start, lines: Lines) -> None:
    gateway = await start(jwt_secret=SECRET)
    with pytest.raises(Closed):
        await Wire.open(http, gateway.url, token="nonsense-of-a-token")
    wire = await Wire.open(http, gateway.url, token=token(scopes=["write:s"]))
    await wire.command("s", "session.open", {})
    await wire.command("s", "session.open", {})
    await wire.command("t", "session.open", {})
    async with http.get(f"{gateway.url}/v1/sessions?token={token(exp=1)}") as answer:
        assert answer.status == 401
    async with http.get(f"{gateway.url}/v1/sessions/s?token={token(scopes=['write:s'])}") as answer:
        assert answer.status == 403
    found = lines("refused")
    assert [line["code"] for line in found] == [
        "unauthenticated",
        "conflict",
        "forbidden",
        "unauthenticated",
        "forbidden",
    ]
    assert found[0]["request"] == "hello"
    assert (found[1]["participant"], found[1]["do"], found[1]["session"]) == ("maya", "session.open", "s")
    assert (found[4]["participant"], found[4]["request"]) == ("maya", "GET /v1/sessions/s")
    told = await samples(http, gateway.url)
    assert told["stenogram_refusals_total/unauthenticated"] == told["stenogram_authentication_failures_total"] == 2
    assert told["stenogram_refusals_total/forbidden"] == 2
    assert told["stenogram_refusals_total/conflict"] == 1


async def test_tokens_are_in_no_line(
    http: aiohttp.ClientSession, start: Start, lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await start(jwt_secret=SECRET)
    secrets = [token(), token(exp=1), "nonsense-of-a-token"]
    for secret in secrets:
        for url in (f"/v1/sessions?token={secret}", f"/v1/nowhere?token={secret}", f"/v1/events?token={secret}&x=1"):
            (await http.get(gateway.url + url)).close()
        try:
            wire = await Wire.open(http, gateway.url, token=secret)
            await wire.raw(f'{{"frame": "hello", "token": "{secret}"}}')
            wire.cut()
        except Closed:
            pass
    await until(lambda: lines("connection ended"))
    said = "\n".join(str(vars(record)) for record in caplog.records)
    assert "refused" in said
    assert not [secret for secret in secrets if secret in said]


async def test_refusals_fill_no_disk(http: aiohttp.ClientSession, start: Start, lines: Lines) -> None:
    gateway = await start()
    wire = await Wire.open(http, gateway.url, participant="maya")
    await wire.command("s", "session.open", {})
    began = time.monotonic()
    for number in range(400):
        await wire.send({"frame": "command", "id": f"c-{number}", "session": "s", "do": "session.open", "data": {}})
    await wire.until(lambda: len(wire.answers) == 401)
    took = time.monotonic() - began
    assert (await samples(http, gateway.url))["stenogram_refusals_total/conflict"] == 400
    assert BURST <= len(lines("refused")) <= BURST + took * LINES_PER_SECOND + 1
    await asyncio.sleep(0.2)
    await wire.command("s", "session.open", {})
    assert sum(1 + line.get("skipped", 0) for line in lines("refused")) == 401


async def test_failed_commits_leave_a_line_with_the_cause(
    http: aiohttp.ClientSession, start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stenogram.domain.errors import LogFailed

    gateway = await start()
    wire = await Wire.open(http, gateway.url, participant="maya")
    with monkeypatch.context() as broken:

        async def write(*_: object) -> None:
            raise LogFailed("the disk is on fire")

        broken.setattr(SqliteEngine, "write", write)
        for _ in range(5):
            assert (await wire.command("s", "session.open", {}))["error"]["code"] == "log_failed"
        async with http.get(f"{gateway.url}/ready") as answer:
            assert "the disk is on fire" in (await answer.json())["detail"]
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert "commit failed" in line
    assert "the disk is on fire" in line
    assert (await wire.command("s", "session.open", {}))["frame"] == "ack"
    caplog.clear()


async def test_a_gateway_logs_json_where_nobody_looks(http: aiohttp.ClientSession, serve: Serve) -> None:
    process = await serve(views="none")
    wire = await Wire.open(http, process.url, participant="maya")
    await wire.command("s", "message.post", {"message": "m", "text": "Hello"})
    assert await process.terminate() == 0
    said = [json.loads(line) for line in process.stderr.splitlines() if line.startswith("{")]
    assert [line["event"] for line in said] == ["refused", "draining", "connection ended", "drained", "stopped"]
    refused, draining, ended, *_ = said
    assert (refused["code"], refused["participant"], refused["level"]) == ("not_found", "maya", "info")
    assert draining["websockets"] == 1
    assert (ended["code"], ended["logger"]) == ("shutdown", "stenogram.connections")
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line["timestamp"]) for line in said)


# -- Metrics -----------------------------------------------------------------------------------------------------------


async def test_how_long_commands_and_deliveries_take_is_measured(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start()
    wire = await Wire.open(http, gateway.url, participant="maya")
    await wire.command("s", "session.open", {})
    await wire.subscribe(session="s")
    await wire.catch_up("s")
    for number in range(4):
        await wire.command("s", "message.post", {"message": f"m{number}", "text": "Hello"})
        await wire.reach("s", 2 + number)
    told = await samples(http, gateway.url)
    assert told["stenogram_command_seconds_count"] == told["stenogram_command_seconds_bucket/+Inf"] == 5
    assert 0 < told["stenogram_command_seconds_sum"] < 60
    assert told["stenogram_command_seconds_sum"] >= told["stenogram_commit_seconds_sum"]
    assert told["stenogram_delivery_seconds_count"] == 4
    assert 0 < told["stenogram_delivery_seconds_sum"] < 60
    assert told["stenogram_sessions_at_hand"] == 1


async def test_views_say_how_far_they_are(
    http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stenogram.api.tenants import tenants

    monkeypatch.setattr(tenants, "SWEEP_EVERY_S", 0.1)
    gateway = await start(views="")
    log = gateway.tenants.open[""].log
    await log.submit(command("session.open", "s"))
    told: dict[str, float] = {}
    async with asyncio.timeout(40):
        while told.get("stenogram_view_lag_events/state") != 0:
            await asyncio.sleep(0.1)
            told = await samples(http, gateway.url)
    assert (told["stenogram_view_lag_seconds/state"], told["stenogram_parked_keys/state"]) == (0, 0)


# -- Spans -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _exporter() -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(_exporter: InMemorySpanExporter) -> Iterator[Callable[[], dict[str, ReadableSpan]]]:
    """Spans that have ended, by name."""
    _exporter.clear()
    yield lambda: {span.name: span for span in _exporter.get_finished_spans()}
    _exporter.clear()


async def test_a_command_is_a_span_with_its_commit_in_it(
    http: aiohttp.ClientSession, start: Start, spans: Callable[[], dict[str, ReadableSpan]]
) -> None:
    gateway = await start(traces=True)
    wire = await Wire.open(http, gateway.url, participant="maya")
    await wire.command("s", "session.open", {}, id="c-1")
    command, commit = spans()["session.open"], spans()["commit"]
    assert commit.parent is not None
    assert command.context is not None
    assert commit.parent.span_id == command.context.span_id
    assert command.attributes is not None
    assert dict(command.attributes) == {
        "stenogram.session": "s",
        "stenogram.command": "session.open",
        "stenogram.command_id": "c-1",
        "stenogram.participant": "maya",
        "stenogram.versions": (1,),
        "stenogram.repeated": False,
    }
    times = (command.start_time, commit.start_time, commit.end_time, command.end_time)
    assert [each or 0 for each in times] == sorted(each or 0 for each in times)
    await wire.command("s", "session.open", {})
    refused = spans()["session.open"]
    assert refused.attributes is not None
    assert (refused.status.status_code.name, refused.attributes["stenogram.code"]) == ("ERROR", "conflict")


async def test_a_request_hands_on_its_trace(
    http: aiohttp.ClientSession, start: Start, spans: Callable[[], dict[str, ReadableSpan]]
) -> None:
    gateway = await start(traces=True)
    body = {"id": "c-1", "do": "session.open", "data": {}}
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with http.post(f"{gateway.url}/v1/sessions/s/commands", json=body, headers=headers) as answer:
        assert answer.status == 200
    span = spans()["session.open"]
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"


async def test_without_the_setting_there_are_no_spans(
    http: aiohttp.ClientSession, start: Start, spans: Callable[[], dict[str, ReadableSpan]]
) -> None:
    gateway = await start()
    wire = await Wire.open(http, gateway.url, participant="maya")
    await wire.command("s", "session.open", {})
    assert gateway.telemetry.tracing is None
    assert spans() == {}
