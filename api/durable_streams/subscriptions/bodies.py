"""The bodies of requests, checked."""

from typing import Annotated, Any, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ....domain.concepts.stream_subscriptions import (
    LEASE_MS,
    MAX_LEASE_MS,
    MAX_STREAMS,
    MIN_LEASE_MS,
    SubscriptionConfig,
    Worker,
)
from ....domain.errors import Invalid
from ....domain.model import WHOLE
from ....domain.wording.patterns import pattern
from ....domain.wording.wrong_input import explain
from ...http.responses import read_body
from ...protocol.json_input import read_json
from .names import stream_session

MAX_BODY_BYTES = 262_144
Path = Annotated[str, StringConstraints(min_length=1, max_length=160)]
Paths = Annotated[tuple[Path, ...], Field(max_length=MAX_STREAMS)]
_GLOB = pattern(
    r"^([A-Za-z0-9._:@+*\-]+/)*[A-Za-z0-9._:@+*\-]+$", "a path with `*` for one segment and `**` for any number of them"
)
Glob = Annotated[str, StringConstraints(pattern=_GLOB, max_length=160)]
Lease = Annotated[int, Field(ge=MIN_LEASE_MS, le=MAX_LEASE_MS, strict=True), WHOLE]
Whole = Annotated[int, Field(ge=0, le=2**53, strict=True), WHOLE]
_NAMED: ConfigDict = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
B = TypeVar("B", bound=BaseModel)


class WebhookBody(BaseModel):
    """Where to call."""

    model_config = _NAMED
    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


class SubscriptionBody(BaseModel):
    """A subscription as it is wanted."""

    model_config = _NAMED
    type: Literal["webhook", "pull-wake"]
    pattern: Glob | None = None
    streams: Paths | None = None
    webhook: WebhookBody | None = None
    wake_stream: Path | None = None
    lease_ttl_ms: Lease = LEASE_MS
    description: Annotated[str, StringConstraints(max_length=2_000)] | None = None

    def config(self) -> SubscriptionConfig:
        """In its one form, so that the same is the same. Raises Invalid."""
        if self.pattern is None and not self.streams:
            raise Invalid("A subscription has a `pattern`, `streams`, or both.")
        if (self.type == "webhook") != (self.webhook is not None):
            raise Invalid("A subscription of type webhook has a `webhook`, and no other has.")
        if (self.type == "pull-wake") != (self.wake_stream is not None):
            raise Invalid("A subscription of type pull-wake has a `wake_stream`, and no other has.")
        streams = tuple(sorted({stream_session(each) for each in self.streams or ()}))
        wake_stream = None if self.wake_stream is None else stream_session(self.wake_stream)
        if wake_stream in streams:
            raise Invalid("The wake stream is none of the streams: each wake would lead to another.")
        return SubscriptionConfig(
            delivery=self.type,
            pattern=None if self.pattern is None else self.pattern.replace(":", "/"),
            streams=streams,
            webhook=None if self.webhook is None else self.webhook.url,
            wake_stream=wake_stream,
            lease_ms=self.lease_ttl_ms,
            description=self.description,
        )


class StreamsBody(BaseModel):
    """Streams to be added."""

    model_config = _NAMED
    streams: Paths


class ClaimBody(BaseModel):
    """Who claims the work."""

    model_config = _NAMED
    worker: Worker


class AckedStream(BaseModel):
    """A stream, and the offset up to which it is done."""

    model_config = _NAMED
    stream: Path
    offset: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class ReleaseBody(BaseModel):
    """The wake that a request is about."""

    model_config = _NAMED
    wake_id: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    generation: Whole


class AckBody(ReleaseBody):
    """What is done, and whether that is all."""

    acks: Annotated[tuple[AckedStream, ...], Field(max_length=MAX_STREAMS)] = ()
    done: bool = False


async def read_as(request: web.Request, model: type[B], depth: int) -> B:
    """The body of a request. Raises Invalid, TooLarge and TooDeep."""
    value: Any = read_json(await read_body(request, MAX_BODY_BYTES), depth)
    if not isinstance(value, dict):
        raise Invalid("The body is a JSON object.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Invalid(f"This cannot be read: {explain(error, model)}.") from None
