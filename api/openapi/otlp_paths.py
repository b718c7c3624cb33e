"""The route of OTLP/HTTP as OpenAPI describes it. What spans are, OpenTelemetry's own protocol describes."""

from ..otlp.body import JSON, PROTOBUF
from .operations import identity
from .schemas import TEXT, Schema, ref

_BINARY: Schema = {"type": "string", "format": "binary"}
_STATUSES = ("400", "401", "403", "404", "413", "415", "429", "503")


def otlp_paths() -> Schema:
    """The path."""
    failed = {"description": "A Status", "content": _either("OtlpStatus")}
    return {
        "/v1/traces": {
            "post": {
                "operationId": "take_spans",
                "summary": "Take spans, as an exporter of OpenTelemetry sends them",
                "parameters": identity(),
                "requestBody": {"required": True, "content": _either("OtlpSpans")},
                "responses": {
                    "200": {"description": "Taken, but for what partialSuccess says", "content": _either("OtlpTaken")},
                    **dict.fromkeys(_STATUSES, failed),
                },
            }
        }
    }


def otlp_schemas() -> Schema:
    """The schemas of what goes in and comes out."""
    partial = _object(rejectedSpans=TEXT, errorMessage=TEXT)
    return {
        "OtlpSpans": {"type": "object", "description": "An ExportTraceServiceRequest, as OTLP has it"},
        "OtlpTaken": _object(partialSuccess=partial),
        "OtlpStatus": _object(code={"type": "integer"}, message=TEXT),
    }


def _either(name: str) -> Schema:
    return {JSON: {"schema": ref(name)}, PROTOBUF: {"schema": _BINARY}}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}
