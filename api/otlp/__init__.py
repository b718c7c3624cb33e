"""OpenTelemetry's protocol (OTLP/HTTP) in: spans of programs that are instrumented, as sessions.

    routes          POST /v1/traces: encodings, limits, answers
    protobuf_spans, json_spans      spans as either encoding has them
    genai           what a span says by the semantic conventions for generative AI
    conversations   which session each span is of, and whose it is
    commands        what becomes of them there

Specifications: OTLP 1.x (opentelemetry.io/docs/specs/otlp), semantic conventions for GenAI.
"""
