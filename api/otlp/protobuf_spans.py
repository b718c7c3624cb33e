"""Spans of an `ExportTraceServiceRequest` in protobuf.

The numbers are those of opentelemetry/proto/trace/v1/trace.proto, resource.proto and common.proto.
"""

import base64
from collections.abc import Iterator
from typing import Any

from ...domain.errors import Invalid
from . import wire_format as wire
from .span import MAX_ATTRIBUTE_DEPTH, Attributes, Span, SpanEvent, SpanList, SpanReading, refuse_many_events


def read_protobuf(body: bytes) -> SpanList:
    """The spans. Raises Invalid for what is no such message, and TooLarge; a span that OTLP does not allow counts as
    malformed."""
    reading = SpanReading()
    try:
        for number, _, value in wire.fields(memoryview(body)):
            if number != 1:
                continue
            of_resource = wire.message(value)
            resource = _resource(of_resource)
            for span in _spans(of_resource):
                reading.add(_span(span, resource))
    except ValueError as error:
        raise Invalid(f"This is no ExportTraceServiceRequest in protobuf: {error}.") from None
    return reading.read()


def _resource(data: memoryview) -> Attributes:
    resource: Attributes = {}
    for number, _, value in wire.fields(data):
        if number == 1:
            inner = wire.fields(wire.message(value))
            resource = dict(_attribute(wire.message(each)) for at, _, each in inner if at == 1)
    return resource


def _spans(data: memoryview) -> Iterator[memoryview]:
    for number, _, value in wire.fields(data):
        if number == 2:
            yield from (wire.message(each) for at, _, each in wire.fields(wire.message(value)) if at == 2)


def _span(data: memoryview, resource: Attributes) -> Span:
    known: dict[int, Any] = {}
    attributes: Attributes = {}
    events: list[SpanEvent] = []
    for number, _, value in wire.fields(data):
        if number == 9:
            name, said = _attribute(wire.message(value))
            attributes[name] = said
        elif number == 11:
            events.append(_event(wire.message(value)))
            refuse_many_events(len(events))
        elif number in (1, 2, 4):
            known[number] = wire.message(value).hex()
        elif number == 5:
            known[number] = wire.text(value)
        elif number in (6, 7, 8):
            known[number] = wire.number(value)
        elif number == 15:
            known[15] = _status(wire.message(value))
    code, message = known.get(15, (0, ""))
    ids = (known.get(1, ""), known.get(2, ""), known.get(4, ""))
    about = (known.get(5, ""), known.get(6, 0), known.get(7, 0), known.get(8, 0))
    return Span(*ids, *about, attributes, tuple(events), code, message, resource)


def _status(data: memoryview) -> tuple[int, str]:
    code, message = 0, ""
    for number, _, value in wire.fields(data):
        if number == 2:
            message = wire.text(value)
        elif number == 3:
            code = wire.number(value)
    return code, message


def _event(data: memoryview) -> SpanEvent:
    name, time, attributes = "", 0, Attributes()
    for number, _, value in wire.fields(data):
        if number == 1:
            time = wire.number(value)
        elif number == 2:
            name = wire.text(value)
        elif number == 3:
            key, said = _attribute(wire.message(value))
            attributes[key] = said
    return SpanEvent(name, time, attributes)


def _attribute(data: memoryview, depth: int = 0) -> tuple[str, Any]:
    name, said = "", None
    for number, _, value in wire.fields(data):
        if number == 1:
            name = wire.text(value)
        elif number == 2:
            said = _any(wire.message(value), depth)
    return name, said


def _any(data: memoryview, depth: int) -> Any:
    if depth > MAX_ATTRIBUTE_DEPTH:
        raise ValueError(f"an attribute is nested more than {MAX_ATTRIBUTE_DEPTH} deep")
    said: Any = None
    for number, _, value in wire.fields(data):
        if number == 1:
            said = wire.text(value)
        elif number == 2:
            said = bool(wire.number(value))
        elif number == 3:
            said = wire.signed(value)
        elif number == 4:
            said = wire.double(value)
        elif number == 5:
            inner = wire.fields(wire.message(value))
            said = [_any(wire.message(each), depth + 1) for at, _, each in inner if at == 1]
        elif number == 6:
            inner = wire.fields(wire.message(value))
            said = dict(_attribute(wire.message(each), depth + 1) for at, _, each in inner if at == 1)
        elif number == 7:
            said = base64.b64encode(wire.message(value)).decode()
    return said
