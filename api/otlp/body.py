"""The body of a request of OTLP/HTTP: how it is encoded and packed, and answered in the same encoding."""

import zlib
from typing import NamedTuple

import orjson
from aiohttp import web

from ...domain.errors import Invalid, StenogramError, TooLarge
from ..http.responses import refusal_headers
from .json_spans import read_otlp_json
from .protobuf_spans import read_protobuf
from .span import SpanList
from .wire_format import write_field

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 413: 8, 415: 3, 429: 8}
"""By a status of HTTP: the code of gRPC's, which OTLP's Status has. All others are UNAVAILABLE."""
UNAVAILABLE = 14


class UnsupportedEncoding(Invalid):
    """A body in an encoding that is not understood."""

    status = 415


class Encoding(NamedTuple):
    """Of a request and its answer."""

    protobuf: bool

    @classmethod
    def of(cls, request: web.Request) -> "Encoding":
        """Raises UnsupportedEncoding."""
        if request.content_type not in (PROTOBUF, JSON):
            raise UnsupportedEncoding(f"Spans come as {PROTOBUF} or {JSON}, not as {request.content_type}.")
        return cls(request.content_type == PROTOBUF)

    def read(self, body: bytes) -> SpanList:
        """The spans. Raises Invalid."""
        return read_protobuf(body) if self.protobuf else read_otlp_json(body)

    def success(self, rejected: int, why: str) -> web.Response:
        """All was taken, but for so many spans."""
        if self.protobuf:
            partial = write_field(1, rejected) + write_field(2, why.encode()) if rejected or why else b""
            return web.Response(body=write_field(1, partial) if partial else b"", content_type=PROTOBUF)
        said = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": why}} if rejected or why else {}
        return web.Response(body=orjson.dumps(said), content_type=JSON)

    def failure(self, error: StenogramError) -> web.Response:
        """A Status. What may be tried again has a status of HTTP by which exporters know that."""
        status = error.status if error.status < 500 else 503
        code = _GRPC.get(status, UNAVAILABLE)
        if self.protobuf:
            body = write_field(1, code) + write_field(2, error.detail.encode())
        else:
            body = orjson.dumps({"code": code, "message": error.detail})
        headers = refusal_headers(error)
        if status in (429, 503):
            headers.setdefault("Retry-After", "1")
        return web.Response(body=body, status=status, content_type=PROTOBUF if self.protobuf else JSON, headers=headers)


def is_packed(request: web.Request) -> bool:
    """Whether the body comes packed. Raises UnsupportedEncoding."""
    packing = request.headers.get("Content-Encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip"):
        raise UnsupportedEncoding(f"A body may be packed by gzip, not by {packing}.")
    return packing == "gzip"


def unpacked(body: bytes, most: int) -> bytes:
    """What was packed, of at most so many bytes. Raises Invalid and TooLarge."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        found = unpacker.decompress(body, most + 1)
    except zlib.error:
        raise Invalid("The body is not packed by gzip.") from None
    if len(found) > most:
        raise TooLarge(f"A body has at most {most:,} bytes when it is unpacked.", limit=most)
    if not unpacker.eof or unpacker.unused_data:
        raise Invalid("The body is not packed by gzip to its end.")
    return found
