"""What the headers of a request say, checked."""

import re
from datetime import datetime
from typing import NamedTuple

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from ...domain.concepts.streams import MAX_TTL_S, ProducerNumber
from ...domain.errors import Invalid
from ...domain.timestamps import Time

_TIME: TypeAdapter[datetime] = TypeAdapter(Time)
_WHOLE = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII).fullmatch
MAX_INTEGER = 2**53 - 1
MAX_TEXT = 256


class Expiry(NamedTuple):
    """When a stream goes by itself."""

    ttl: int | None = None
    expires_at: datetime | None = None


class ForkHeaders(NamedTuple):
    """What is to be forked, and where; `offset` is None for its end."""

    source: str
    offset: str | None
    sub: int


def says_closed(request: web.Request) -> bool:
    """Whether the stream is to be closed. Any other value than `true` says nothing."""
    return request.headers.get("Stream-Closed", "").strip().lower() == "true"


def content_type_of(request: web.Request) -> str | None:
    """The content type, if there is one."""
    return request.headers.get("Content-Type", "").strip() or None


def expiry_of(request: web.Request) -> Expiry:
    """When the stream is to go. Raises Invalid."""
    ttl, expires_at = request.headers.get("Stream-TTL"), request.headers.get("Stream-Expires-At")
    if ttl is not None and expires_at is not None:
        raise Invalid("A stream has either Stream-TTL or Stream-Expires-At.")
    if expires_at is None:
        return Expiry(ttl=None if ttl is None else _integer("Stream-TTL", ttl, MAX_TTL_S))
    try:
        return Expiry(expires_at=_TIME.validate_python(expires_at))
    except ValidationError:
        raise Invalid("Stream-Expires-At is a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z.") from None


def producer_of(request: web.Request) -> ProducerNumber | None:
    """The number that a producer gives its append; None where it gives none. Raises Invalid."""
    headers = request.headers
    id, epoch, seq = (headers.get(name) for name in ("Producer-Id", "Producer-Epoch", "Producer-Seq"))
    if id is None and epoch is None and seq is None:
        return None
    if id is None or epoch is None or seq is None:
        raise Invalid("Producer-Id, Producer-Epoch and Producer-Seq come together.")
    return ProducerNumber(
        id=_text("Producer-Id", id), epoch=_integer("Producer-Epoch", epoch), seq=_integer("Producer-Seq", seq)
    )


def stream_seq_of(request: web.Request) -> str | None:
    """What the append is put in order by."""
    seq = request.headers.get("Stream-Seq")
    return None if seq is None else _text("Stream-Seq", seq)


def fork_of(request: web.Request) -> ForkHeaders | None:
    """Where the stream is to be forked, if it is. Raises Invalid."""
    headers = request.headers
    source, offset = headers.get("Stream-Forked-From"), headers.get("Stream-Fork-Offset")
    sub = headers.get("Stream-Fork-Sub-Offset")
    if source is None:
        if offset is not None or sub is not None:
            raise Invalid("Stream-Fork-Offset and Stream-Fork-Sub-Offset come with Stream-Forked-From.")
        return None
    return ForkHeaders(source, offset, 0 if sub is None else _integer("Stream-Fork-Sub-Offset", sub))


def _text(name: str, value: str) -> str:
    if not 1 <= len(value) <= MAX_TEXT or not value.isprintable():  # as halves of surrogate pairs are not
        raise Invalid(f"{name} has 1 to {MAX_TEXT} printable characters.")
    return value


def _integer(name: str, value: str, most: int = MAX_INTEGER) -> int:
    if not _WHOLE(value) or int(value) > most:
        raise Invalid(f"{name} is a whole number in digits, without a sign or leading zeros, up to {most}.")
    return int(value)
