"""`POST` and `DELETE`: appending, closing, and the end of a stream."""

from typing import Any

from aiohttp import web

from ...domain.concepts.streams import AppendToStream, CloseStream, DeleteStream, ProducerNumber
from ...domain.errors import Forbidden, Invalid, NoChange, Refused, StaleProducer
from ...domain.ids import SessionId
from ...log.log import Log
from ..access.principal import Principal
from ..http.responses import read_body
from .content import content_of
from .offsets import write_offset
from .paths import session_of
from .readable import Readable, find_readable, last_written
from .request_headers import content_type_of, producer_of, says_closed, stream_seq_of
from .service import PROBLEM_HEADERS, StreamService, end_of, refuse_written


class StreamWriter:
    """Handlers of appends and deletions."""

    def __init__(self, service: StreamService) -> None:
        self._service = service

    async def append(self, request: web.Request) -> web.Response:
        """`POST`: append, close, or both at once."""
        service = self._service
        principal, session = service.auth.of_request(request), session_of(request)
        principal.require("speak", session)
        producer = producer_of(request)
        body = await read_body(request)
        data = self._command(request, body, producer)
        principal.require_command(data, session)
        tenant = await service.tenants.of_request(request, principal)
        try:
            appended = await service.submit(request, principal, session, data, len(body))
        except Refused as refusal:
            await tenant.log.catch_up()
            return await _refused(request, tenant.log, session, principal, refusal, producer)
        stream = await last_written(tenant.log, session)
        headers = end_of(stream, tenant.log.epoch)
        if isinstance(data, AppendToStream) and appended.versions:
            tail = appended.versions[0] + stream.parts[-1].shift  # others may have appended since
            headers["Stream-Next-Offset"] = write_offset(tail, tenant.log.epoch)
        if producer is not None:
            headers |= {"Producer-Epoch": str(producer.epoch), "Producer-Seq": str(producer.seq)}
        new = producer is not None and isinstance(data, AppendToStream)
        return web.Response(status=200 if new else 204, headers=headers)

    async def delete(self, request: web.Request) -> web.Response:
        """`DELETE`."""
        service = self._service
        principal, session = service.auth.of_request(request), session_of(request)
        principal.require("session", session)
        log = (await service.current(request, principal)).log
        refuse_written(request, await find_readable(log, session, principal))
        await service.submit(request, principal, session, DeleteStream())
        return web.Response(status=204)

    def _command(
        self, request: web.Request, body: bytes, producer: ProducerNumber | None
    ) -> AppendToStream | CloseStream:
        closed, content_type = says_closed(request), content_type_of(request)
        if not body:
            if not closed:
                raise Invalid("There is nothing to append; say Stream-Closed: true to close the stream.")
            return CloseStream(producer=producer)
        if content_type is None:
            raise Invalid("Say of what Content-Type this is.")
        content = content_of(body, content_type, self._service.settings.depth)
        if content is None:
            raise Invalid("There is no message in an empty array.")
        seq = stream_seq_of(request)
        # Not checked once more: the parts are, and a body of a megabyte takes its time.
        return AppendToStream.model_construct(
            content=content, content_type=content_type, seq=seq, producer=producer, closed=closed
        )


async def _refused(
    request: web.Request,
    log: Log,
    session: SessionId,
    principal: Principal,
    refusal: Refused,
    producer: ProducerNumber | None,
) -> web.Response:
    """What is no failure (a repeat), or else the refusal, with what the protocol says in headers."""
    stream = await find_readable(log, session, principal)
    refuse_written(request, stream)
    said = refusal.extra
    if isinstance(refusal, NoChange):
        return web.Response(status=204, headers=_repeated(stream, log.epoch, said))
    headers = end_of(stream, log.epoch) if said.get("closed") else {}
    if "expected_seq" in said and producer is not None:
        headers["Producer-Expected-Seq"] = str(said["expected_seq"])
        headers["Producer-Received-Seq"] = str(producer.seq)
    if isinstance(refusal, StaleProducer):
        headers["Producer-Epoch"] = str(said["epoch"])
        refusal = Forbidden(refusal.detail, **said)
    request[PROBLEM_HEADERS] = headers
    raise refusal


def _repeated(stream: Readable, epoch: str, said: dict[str, Any]) -> dict[str, str]:
    headers = end_of(stream, epoch)
    if "seq" in said:
        headers |= {"Producer-Epoch": str(said["epoch"]), "Producer-Seq": str(said["seq"])}
    return headers
