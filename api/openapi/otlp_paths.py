"""The route of OTLP/HTTP as OpenAPI describes it: its JSON as far as it is read, the same in protobuf as bytes."""

from ..otlp.body import JSON, PROTOBUF
from .operations import identity
from .schemas import TEXT, Schema, ref

_NUMBER: Schema = {
    "anyOf": [
        {"type": "string", "pattern": "^[0-9]{1,18}$"},
        {"type": "integer", "minimum": 0, "maximum": 2**53},
    ]
}
_TIME: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_BINARY: Schema = {"type": "string", "format": "binary"}


def otlp_paths() -> Schema:
    """The path."""
    failed = {
        "description": "A Status",
        "content": {JSON: {"schema": ref("OtlpStatus")}, PROTOBUF: {"schema": _BINARY}},
    }
    taken = {JSON: {"schema": ref("OtlpTaken")}, PROTOBUF: {"schema": _BINARY}}
    statuses = ("400", "401", "403", "404", "413", "415", "429", "503")
    return {
        "/v1/traces": {
            "post": {
                "operationId": "take_spans",
                "summary": "Take spans, as an exporter of OpenTelemetry sends them",
                "parameters": identity(),
                "requestBody": {
                    "required": True,
                    "content": {JSON: {"schema": ref("OtlpSpans")}, PROTOBUF: {"schema": _BINARY}},
                },
                "responses": {
                    "200": {"description": "Taken, but for what partialSuccess says", "content": taken},
                    **dict.fromkeys(statuses, failed),
                },
            }
        }
    }


def otlp_schemas() -> Schema:
    """The schemas of what goes in and comes out."""
    attributes = _list(_object(key=TEXT, value=ref("OtlpValue")))
    event = _object(name=TEXT, timeUnixNano=_TIME, attributes=attributes)
    status = _object(code={"enum": [0, 1, 2]}, message=TEXT)
    span = _object(
        traceId={"type": "string", "pattern": "^[0-9a-f]{32}$"},
        spanId={"type": "string", "pattern": "^[0-9a-f]{16}$"},
        parentSpanId={"type": "string", "pattern": "^([0-9a-f]{16})?$"},
        name=TEXT,
        kind={"enum": [0, 1, 2, 3, 4, 5]},
        startTimeUnixNano=_TIME,
        endTimeUnixNano=_TIME,
        attributes=attributes,
        events=_list(event),
        status=status,
    )
    return {
        "OtlpSpans": _object(
            resourceSpans=_list(
                _object(resource=_object(attributes=attributes), scopeSpans=_list(_object(spans=_list(span))))
            )
        ),
        "OtlpValue": {"oneOf": [_only("stringValue", TEXT), _only("boolValue", {"type": "boolean"}), *_numbers()]},
        "OtlpTaken": _object(partialSuccess=_object(rejectedSpans=_NUMBER, errorMessage=TEXT)),
        "OtlpStatus": _object(code={"type": "integer"}, message=TEXT),
    }


def _numbers() -> list[Schema]:
    deeper = _list(ref("OtlpValue"))
    return [
        _only("intValue", _NUMBER),
        _only("doubleValue", {"type": "number"}),
        _only("bytesValue", TEXT),
        _only("arrayValue", _object(values=deeper)),
    ]


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _only(name: str, schema: Schema) -> Schema:
    return {"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
