"""What a client makes of spans at most: names, messages and commands are bounded, however much its body says."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from stenogram.api.otlp import commands
from stenogram.api.otlp.commands import commands_of
from stenogram.api.otlp.conversations import READ_CHARS, placed
from stenogram.api.otlp.genai import MAX_SAID
from stenogram.api.otlp.json_spans import read_otlp_json
from stenogram.api.otlp.protobuf_spans import read_protobuf
from stenogram.api.otlp.span import MAX_EVENTS, MAX_SPANS, Span
from stenogram.api.otlp.wire_format import write_field
from stenogram.domain.errors import TooLarge
from stenogram.domain.state import State


def span(number: int = 1, said: Mapping[str, Any] | None = None, resource: dict[str, Any] | None = None) -> Span:
    """Of a call of a model."""
    attributes = {"gen_ai.operation.name": "chat", **(said or {})}
    return Span("1" * 32, f"{number:016x}", "", "chat", 1, 10, 20, attributes, (), 0, "", resource or {})


def made(*spans: Span) -> tuple[list[str], dict[str, str]]:
    """The commands that come of spans of one trace, by name, and the faults, by the spans' ids."""
    found = commands_of(State("s"), placed(spans))
    return [each.command.data.do for each in found.commands], {id: why for (_, id), why in found.faults.items()}


@pytest.mark.parametrize("value", ["!" * 1_000_000, [["!"] * 1_000] * 100, {"k": "!" * 1_000_000}])
def test_what_a_resource_says_at_length_is_not_read_whole_for_each_of_its_spans(value: Any) -> None:
    names = ("session.id", "service.name", "user.id")
    spans = [span(number + 1, resource=dict.fromkeys(names, value)) for number in range(1_000)]
    began = time.thread_time()
    found = placed(spans)
    assert time.thread_time() - began < 5, "it took minutes"
    assert {len(each.session) for each in found} <= {len("unnamed"), len(f"trace-{'1' * 32}")}


def test_a_long_name_is_read_as_far_as_it_counts() -> None:
    (one,) = placed([span(resource={"session.id": "ä " + "x" * READ_CHARS * 2})])
    assert one.session == "x" * 100


INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"


@pytest.mark.parametrize(
    "attributes",
    [
        {INPUT: f"[{','.join('1' * (MAX_SAID + 1))}]"},
        {OUTPUT: f"[{','.join('1' * (MAX_SAID + 1))}]"},
        {INPUT: f'[{{"parts":[{",".join("1" * (MAX_SAID + 1))}]}}]'},
        {OUTPUT: f"[{','.join(['[1,1,1]'] * MAX_SAID)}]"},
        {"gen_ai.system_instructions": f"[{','.join('1' * (MAX_SAID + 1))}]"},
    ],
)
def test_a_span_that_says_too_much_is_rejected_and_the_others_are_taken(attributes: dict[str, str]) -> None:
    dos, faults = made(span(1, attributes), span(2))
    assert {*faults} == {f"{1:016x}"}
    assert "at most 10,000 messages" in faults[f"{1:016x}"]
    assert dos == ["session.open", "presence.join", "message.start", "message.complete"]


def test_the_commands_of_a_session_s_spans_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MAX_COMMANDS", 10)
    dos, faults = made(*[span(number + 1) for number in range(5)])
    assert len(dos) <= 11
    assert {*faults} == {f"{4:016x}", f"{5:016x}"}
    assert "send fewer" in faults[f"{4:016x}"]


@pytest.mark.parametrize("depth", [65, 120, 900, 1_000])
def test_json_that_is_nested_deep_stays_a_text(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    tool = span(1)._replace(
        attributes={
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.call.arguments": deep,
            "gen_ai.tool.call.result": f'{{"a":{deep}}}',
        }
    )
    chat = span(2, {INPUT: deep, OUTPUT: deep})
    found = commands_of(State("s"), placed([tool, chat]))
    assert not found.faults
    by_name: dict[str, Any] = {each.command.data.do: each.command.data for each in found.commands}
    assert by_name["tool.call"].arguments == deep
    assert [each.text for each in by_name["message.post"].parts] == [deep]


def json_body(span: bytes, number: int) -> bytes:
    return b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b",".join([span] * number) + b"]}]}]}"


def protobuf_body(span: bytes, number: int) -> bytes:
    return write_field(1, write_field(2, write_field(2, span) * number))


@pytest.mark.parametrize("way", ["json", "protobuf"])
def test_a_body_of_too_many_spans_or_events_is_not_read_to_its_end(way: str) -> None:
    if way == "json":
        read, body, span, event = read_otlp_json, json_body, b'{"events":[%s]}', b"{},"
    else:
        read, body, span, event = read_protobuf, protobuf_body, b"%s", write_field(11, b"")

    def events(number: int) -> bytes:
        return span % (event * number).rstrip(b",")

    with pytest.raises(TooLarge, match="10,000 spans"):
        read(body(events(0), MAX_SPANS + 1))
    for each, number in ((MAX_EVENTS + 1, 1), (MAX_EVENTS // 2 + 1, 2)):
        with pytest.raises(TooLarge, match="100,000 events"):
            read(body(events(each), number))
