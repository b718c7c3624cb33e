"""Spans over OTLP/HTTP: from OpenTelemetry's own SDK and exporter, and from an agent that is instrumented."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import jwt
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, Tracer
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel

from stenogram.api.server import Gateway

Start = Callable[..., Awaitable[Gateway]]
SECRET = "a secret of at least thirty-two bytes"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
PROMPT = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "A room, please."}]}])
ANSWER = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "The Ritz."}]}])


@contextmanager
def tracing(**resource: str) -> Iterator[tuple[Tracer, InMemorySpanExporter]]:
    """A tracer, and what it has made."""
    made = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource(resource))
    provider.add_span_processor(SimpleSpanProcessor(made))
    yield provider.get_tracer("tests"), made
    provider.shutdown()


def agent_run(tracer: Tracer, agent: str = "hotels", **more: Any) -> None:
    """What an instrumented agent would trace: a run with a call of a model, and one of a tool."""
    said = {"gen_ai.agent.name": agent, **more}
    with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent", **said}):
        chat: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "small-1",
            "gen_ai.usage.input_tokens": 7,
        }
        with tracer.start_as_current_span("chat", attributes=chat) as span:
            span.set_attributes({"gen_ai.input.messages": PROMPT, "gen_ai.output.messages": ANSWER})
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "book", "gen_ai.tool.call.id": "c1"}
        with tracer.start_as_current_span("execute_tool", attributes=tool) as span:
            span.set_attributes({"gen_ai.tool.call.arguments": '{"room":7}', "gen_ai.tool.call.result": '{"ok":true}'})


async def events(http: aiohttp.ClientSession, gateway: Gateway, session: str) -> list[dict[str, Any]]:
    """All events of a session."""
    url = f"{gateway.url}/v1/sessions/{session}/events?limit=1000&participant=x&kind=agent"
    async with http.get(url) as answer:
        found: list[dict[str, Any]] = (await answer.json()).get("events", [])
        return found


async def send(
    http: aiohttp.ClientSession, gateway: Gateway, body: bytes, **headers: str
) -> tuple[int, ExportTraceServiceResponse | bytes]:
    """Send it as protobuf; the status, and the answer."""
    async with http.post(f"{gateway.url}/v1/traces", data=body, headers={**PROTOBUF, **headers}) as answer:
        said = await answer.read()
        assert answer.content_type == "application/x-protobuf"
        return answer.status, ExportTraceServiceResponse.FromString(said) if answer.status == 200 else said


def encoded(*spans: ReadableSpan) -> bytes:
    return bytes(encode_spans(spans).SerializeToString())


def types(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["type"], each["actor"]) for each in found]


RUN = [
    ("session.opened", "hotels"),
    ("presence.joined", "hotels"),
    ("message.posted", "person"),
    ("message.started", "hotels"),
    ("message.completed", "hotels"),
    ("tool.called", "hotels"),
    ("tool.returned", "hotels"),
    ("presence.left", "hotels"),
]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_sdk_s_exporter_is_served(
    compression: Compression, gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    with tracing() as (tracer, made):
        agent_run(tracer, **{"gen_ai.conversation.id": "trip-7"})
        exporter = OTLPSpanExporter(f"{gateway.url}/v1/traces", compression=compression)
        assert await asyncio.to_thread(exporter.export, made.get_finished_spans()) is SpanExportResult.SUCCESS
    found = await events(http, gateway, "trip-7")
    assert types(found) == RUN
    prompt, started, completed, called, returned = found[2:7]
    assert prompt["data"]["parts"] == [{"kind": "text", "text": "A room, please."}]
    assert completed["data"]["parts"] == [{"kind": "text", "text": "The Ritz."}]
    assert completed["data"]["usage"] == {"model": "small-1", "input_tokens": 7}
    assert (called["data"]["tool"], called["data"]["arguments"]) == ("book", {"room": 7})
    assert returned["data"]["result"] == {"ok": True}
    (chat,) = [span for span in made.get_finished_spans() if span.name == "chat"]
    assert started["time"] == started["data"]["metadata"]["started"]
    assert started["data"]["metadata"]["span"] == f"{chat.context.span_id:016x}"


async def test_an_instrumented_agent_is_seen(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    def work() -> str:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{gateway.url}/v1/traces")))
        agent = Agent(TestModel(), name="hotels", instructions="Find hotels.")
        agent.instrument = InstrumentationSettings(tracer_provider=provider)

        @agent.tool_plain
        def find(city: str) -> str:
            """Find a hotel."""
            return f"The Ritz in {city}"

        asked = ("A room in Paris, please.", "And one in Rome.")
        answers = [asyncio.run(agent.run(each, conversation_id="trip-8")).output for each in asked]
        provider.shutdown()
        return answers[-1]

    output = await asyncio.to_thread(work)
    found = await events(http, gateway, "trip-8")
    posted = [each["data"]["parts"][0]["text"] for each in found if each["type"] == "message.posted"]
    assert posted == ["Find hotels.", "A room in Paris, please.", "And one in Rome."]
    called = [each["data"] for each in found if each["type"] in ("tool.called", "tool.returned")]
    assert [each.get("result", each.get("tool")) for each in called] == ["find", "The Ritz in a"] * 2
    answers = [each["data"]["parts"] for each in found if each["type"] == "message.completed"]
    assert answers[-1] == [{"kind": "text", "text": output}]
    assert types(found).count(("presence.joined", "hotels")) == types(found).count(("presence.left", "hotels")) == 2


async def test_the_same_spans_again_write_nothing_and_those_that_come_late_are_added(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    with tracing(**{"session.id": "trip-9"}) as (tracer, made):
        agent_run(tracer)
        chat, tool, run = made.get_finished_spans()
    for spans in ((tool,), (run, tool), (tool, run, chat), (chat, tool, run)):
        assert (await send(http, gateway, encoded(*spans)))[0] == 200
    found = await events(http, gateway, "trip-9")
    assert {type for type, _ in types(found)} == {type for type, _ in RUN}
    assert types(found).count(("tool.called", "agent")) + types(found).count(("tool.called", "hotels")) == 1
    assert [each["time"] for each in found] == sorted(each["time"] for each in found)
    (late,) = [each for each in found if each["type"] == "message.started"]
    assert late["data"]["metadata"]["started"] < late["time"], "the time in its data is its own"


async def test_without_a_name_for_it_the_trace_is_the_session(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    with tracing(**{"service.name": "Users"}) as (tracer, made):
        with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}) as span:
            pass
        await send(http, gateway, encoded(*made.get_finished_spans()))
    found = await events(http, gateway, f"trace-{span.get_span_context().trace_id:032x}")
    assert ("message.completed", "Users") in types(found)


async def test_what_failed_says_why(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    with tracing(**{"session.id": "s"}) as (tracer, made):
        with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}) as span:
            span.set_status(Status(StatusCode.ERROR, "The model is overloaded"))
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "book"}
        with pytest.raises(LookupError), tracer.start_as_current_span("execute_tool", attributes=tool):
            raise LookupError("There is no room")
        await send(http, gateway, encoded(*made.get_finished_spans()))
    said = {each["type"]: each["data"] for each in await events(http, gateway, "s")}
    assert said["message.aborted"]["reason"] == "The model is overloaded"
    assert "There is no room" in said["tool.returned"]["error"]


@pytest.mark.parametrize("way", ["events", "choice", "numbered"])
async def test_older_conventions_are_read(way: str, gateway: Gateway, http: aiohttp.ClientSession) -> None:
    with tracing(**{"session.id": "s"}) as (tracer, made):
        with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}) as span:
            if way == "events":
                details = {"gen_ai.input.messages": PROMPT, "gen_ai.output.messages": ANSWER}
                span.add_event("gen_ai.client.inference.operation.details", details)
            elif way == "choice":
                span.add_event("gen_ai.user.message", {"content": "A room, please."})
                span.add_event("gen_ai.choice", {"index": 0, "message": '{"role":"assistant","content":"The Ritz."}'})
            else:
                span.set_attributes({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "A room, please."})
                span.set_attributes({"gen_ai.completion.0.content": "The Ritz."})
        await send(http, gateway, encoded(*made.get_finished_spans()))
    said = {each["type"]: each["data"].get("parts") for each in await events(http, gateway, "s")}
    assert said["message.posted"] == [{"kind": "text", "text": "A room, please."}]
    assert said["message.completed"] == [{"kind": "text", "text": "The Ritz."}]


async def test_json_says_the_same(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    span: dict[str, Any] = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": 1544712661000000000,
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "12"}},
            {"key": "gen_ai.output.messages", "value": {"stringValue": ANSWER}},
        ],
        "unknown": {},
    }
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span, {**span, "spanId": "00"}, {**span, "traceId": ""}]}]}]}
    async with http.post(f"{gateway.url}/v1/traces", json=body) as answer:
        partial = (await answer.json())["partialSuccess"]
    assert (partial["rejectedSpans"], "bytes" in partial["errorMessage"]) == ("2", True)
    found = await events(http, gateway, f"trace-{span['traceId'].lower()}")
    assert found[-1]["time"] == "2018-12-13T14:51:01.000000Z"
    assert found[-1]["data"]["usage"] == {"output_tokens": 12}


async def test_other_spans_are_taken_and_nothing_comes_of_them(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    with tracing(**{"session.id": "s"}) as (tracer, made):
        with tracer.start_as_current_span("GET /"):
            pass
        status, answer = await send(http, gateway, encoded(*made.get_finished_spans()))
    assert (status, answer) == (200, ExportTraceServiceResponse())
    assert await events(http, gateway, "s") == []


def token(*scopes: str) -> str:
    return jwt.encode({"sub": "tracer", "scopes": list(scopes), "exp": time.time() + 600}, SECRET, "HS256")


async def test_a_token_says_into_which_sessions(start: Start, http: aiohttp.ClientSession) -> None:
    gateway = await start(jwt_secret=SECRET)
    with tracing() as (tracer, made):
        for session in ("mine-1", "other"):
            agent_run(tracer, **{"session.id": session})
        body = encoded(*made.get_finished_spans())
    assert (await send(http, gateway, body))[0] == 401
    assert (await send(http, gateway, body, Authorization=f"Bearer {token('write:*', 'read:*')}"))[0] == 403
    status, answer = await send(http, gateway, body, Authorization=f"Bearer {token('record:mine-*')}")
    assert status == 200
    assert isinstance(answer, ExportTraceServiceResponse)
    assert answer.partial_success.rejected_spans == 3
    reader = {"Authorization": f"Bearer {token('read:*')}"}
    async with http.get(f"{gateway.url}/v1/sessions", headers=reader) as listed:
        assert [each["session"] for each in (await listed.json())["sessions"]] == ["mine-1"]


async def test_spans_of_one_id_in_two_traces_are_two_when_they_are_rejected(
    start: Start, http: aiohttp.ClientSession
) -> None:
    gateway = await start(jwt_secret=SECRET)
    chat = [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}]
    spans = [{"traceId": trace * 32, "spanId": "b" * 16, "attributes": chat} for trace in "12"]
    body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    headers = {"Authorization": f"Bearer {token('record:mine-*')}"}
    async with http.post(f"{gateway.url}/v1/traces", json=body, headers=headers) as answer:
        assert (await answer.json())["partialSuccess"]["rejectedSpans"] == "2"


async def test_a_session_that_is_closed_takes_no_more(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    with tracing(**{"session.id": "s"}) as (tracer, made):
        agent_run(tracer)
        chat, tool, run = made.get_finished_spans()
    await send(http, gateway, encoded(chat, run))
    url = f"{gateway.url}/v1/sessions/s/commands"
    async with http.post(url, json={"id": "c", "do": "session.close", "data": {}}) as closed:
        assert closed.status == 200
    before = await events(http, gateway, "s")
    status, answer = await send(http, gateway, encoded(chat, tool, run))
    assert isinstance(answer, ExportTraceServiceResponse)
    assert (status, answer.partial_success.rejected_spans) == (200, 1)
    assert "session_closed" in answer.partial_success.error_message
    assert await events(http, gateway, "s") == before


async def test_it_can_be_switched_off(start: Start, http: aiohttp.ClientSession) -> None:
    gateway = await start(otlp=False)
    async with http.post(f"{gateway.url}/v1/traces", data=b"", headers=PROTOBUF) as answer:
        assert answer.status == 404
    async with http.get(f"{gateway.url}/openapi.json") as described:
        assert "/v1/traces" not in (await described.json())["paths"]


async def test_bodies_are_bounded_also_when_they_are_unpacked(start: Start, http: aiohttp.ClientSession) -> None:
    gateway = await start(recorded_bytes=10_000)
    for body, headers, status in (
        (b"\0" * 10_001, {}, 413),
        (gzip.compress(b"\0" * 10_000_000), {"Content-Encoding": "gzip"}, 413),
        (gzip.compress(b"")[:-3], {"Content-Encoding": "gzip"}, 400),
        (b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (b"", {"Content-Encoding": "br"}, 415),
        (b"\x0a", {}, 400),
    ):
        assert (await send(http, gateway, body, **headers))[0] == status
    async with http.post(f"{gateway.url}/v1/traces", data=b"x", headers={"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415


async def test_whatever_comes_is_answered_and_what_is_no_request_writes_nothing(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    with tracing(**{"session.id": "s"}) as (tracer, made):
        agent_run(tracer)
        whole = encoded(*made.get_finished_spans())
    chance = random.Random(7)
    log = gateway.tenants.open[""].log
    for _ in range(100):
        body = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body))
            body[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        before = log.position
        status, _ = await send(http, gateway, bytes(body))
        assert status in (200, 400)
        assert status == 200 or log.position == before
    for text in (b"", b"[]", b"0", b'{"resourceSpans":0}', b'{"resourceSpans":[{"resource":[]}]}', b"{" * 500, b"\xff"):
        async with http.post(
            f"{gateway.url}/v1/traces", data=text, headers={"Content-Type": "application/json"}
        ) as answer:
            assert answer.status == 400
            assert {*(await answer.json())} == {"code", "message"}
