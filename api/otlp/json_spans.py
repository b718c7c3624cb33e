"""Spans of an `ExportTraceServiceRequest` in OTLP's JSON.

Names are in camel case, ids in hexadecimal digits, 64-bit numbers texts or numbers, enumerations numbers. Unknown
members are passed over.
"""

import re
from collections.abc import Iterator
from typing import Any

from ...domain.errors import Invalid
from ..protocol.json_input import read_json
from .span import MAX_ATTRIBUTE_DEPTH, Attributes, Span, SpanEvent, SpanList, SpanReading, refuse_many_events

MAX_DEPTH = 2 * MAX_ATTRIBUTE_DEPTH + 16
_PLAIN: dict[str, tuple[type, ...]] = {
    "stringValue": (str,),
    "boolValue": (bool,),
    "doubleValue": (int, float, str),
    "bytesValue": (str,),
}
"""Members that hold a value as it is; a number that is not finite is a text."""
_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_NUMBER = re.compile(r"-?[0-9]{1,20}")


def read_otlp_json(body: bytes) -> SpanList:
    """The spans. Raises Invalid, TooDeep and TooLarge; a span that OTLP does not allow counts as malformed."""
    reading = SpanReading()
    given = read_json(body, MAX_DEPTH)
    if not isinstance(given, dict):
        raise Invalid("This is no ExportTraceServiceRequest: it is no JSON object.")
    try:
        for each in _objects(given, "resourceSpans"):
            resource = _attributes(_object(each, "resource"))
            for scope in _objects(each, "scopeSpans"):
                for span in _objects(scope, "spans"):
                    reading.add(_span(span, resource))
    except ValueError as error:
        raise Invalid(f"This is no ExportTraceServiceRequest: {error}.") from None
    return reading.read()


def _span(span: dict[str, Any], resource: Attributes) -> Span:
    status, events = _object(span, "status"), _objects(span, "events")
    refuse_many_events(len(events))
    return Span(
        _id(span, "traceId"),
        _id(span, "spanId"),
        _id(span, "parentSpanId"),
        _text(span, "name"),
        _number(span, "kind"),
        _number(span, "startTimeUnixNano"),
        _number(span, "endTimeUnixNano"),
        _attributes(span),
        tuple(SpanEvent(_text(each, "name"), _number(each, "timeUnixNano"), _attributes(each)) for each in events),
        _number(status, "code"),
        _text(status, "message"),
        resource,
    )


def _attributes(of: dict[str, Any]) -> Attributes:
    return dict(_pairs(of, "attributes", 0))


def _pairs(of: dict[str, Any], member: str, depth: int) -> Iterator[tuple[str, Any]]:
    for each in _objects(of, member):
        yield _text(each, "key"), _any(_object(each, "value"), depth)


def _any(value: dict[str, Any], depth: int) -> Any:
    if depth > MAX_ATTRIBUTE_DEPTH:
        raise ValueError(f"an attribute is nested more than {MAX_ATTRIBUTE_DEPTH} deep")
    if "intValue" in value:
        return _number(value, "intValue")
    if "arrayValue" in value:
        return [_any(each, depth + 1) for each in _objects(_object(value, "arrayValue"), "values")]
    if "kvlistValue" in value:
        return dict(_pairs(_object(value, "kvlistValue"), "values", depth + 1))
    for name, types in _PLAIN.items():
        if name in value:
            if not isinstance(value[name], types):
                raise ValueError(f"{name} is of another type")
            return value[name]
    return None


def _objects(of: dict[str, Any], member: str) -> list[dict[str, Any]]:
    found = of.get(member)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{member} is no list of objects")
    return found


def _object(of: dict[str, Any], member: str) -> dict[str, Any]:
    found = of.get(member)
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"{member} is no object")
    return found or {}


def _text(of: dict[str, Any], member: str) -> str:
    found = of.get(member)
    if found is not None and not isinstance(found, str):
        raise ValueError(f"{member} is no text")
    return found or ""


def _id(of: dict[str, Any], member: str) -> str:
    found = _text(of, member).lower()
    if not _HEX.fullmatch(found):
        raise ValueError(f"{member} is not in hexadecimal digits")
    return found


def _number(of: dict[str, Any], member: str) -> int:
    found = of.get(member, 0)
    if isinstance(found, str) and _NUMBER.fullmatch(found):
        found = int(found)
    if found is None:
        return 0
    if isinstance(found, bool) or not isinstance(found, int) or not -(2**63) <= found < 2**64:
        raise ValueError(f"{member} is no whole number of 64 bits")
    return found
