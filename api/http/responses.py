"""HTTP answers: JSON, and problems (RFC 9457) for whatever goes wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import orjson
from aiohttp import web, web_response
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Middleware

from ...domain.errors import Invalid, NoDocument, NotFound, StenogramError, TooLarge, Unauthenticated
from ..access.tokens import PRINCIPAL
from ..telemetry.telemetry import Telemetry
from ..tenants.tenants import release
from ..transport.answer_budget import SplicedResponse
from .answer import HttpAnswer, ProblemAnswer, members_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_OF_CLIENTS = (HttpProcessingError, ConnectionError)
_logger = logging.getLogger(__name__)
http_logger = logging.getLogger(f"{__name__}.http")
"""For aiohttp. Bytes that are no HTTP are answered with 400, and clients go away in the midst of a request: that is no
fault of ours, and so it is not logged."""
http_logger.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], _OF_CLIENTS)))
# What aiohttp calls itself in every answer, also to what is no HTTP, are two versions that nobody needs to know.
web_response.SERVER_SOFTWARE = "Stenogram"  # type: ignore[attr-defined]
PROBLEM_JSON = "application/problem+json"
_FAILED = StenogramError("The gateway failed at this request; nothing more is known here.")
BODY_TIMEOUT_S = 30.0


async def read_body(request: web.Request, most: int | None = None) -> bytes:
    """All of the body, which may have as many bytes as other bodies, or as are given here. Raises Invalid when it takes
    too long, TooLarge."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await (request.read() if most is None else _read_much(request, most))
    except TimeoutError:
        raise Invalid(f"The body did not come within {BODY_TIMEOUT_S:g} seconds.") from None


async def _read_much(request: web.Request, most: int) -> bytes:
    too_large = TooLarge(f"A body has at most {most:,} bytes here.", limit=most)
    if (request.content_length or 0) > most:
        raise too_large
    body = bytearray()
    while part := await request.content.readany():
        body += part
        if len(body) > most:
            raise too_large
    return bytes(body)


def json_response(answer: HttpAnswer, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    body = orjson.dumps(answer, default=members_of)
    return web.Response(body=body, content_type="application/json", headers=headers)


def spliced_response(
    answer: HttpAnswer, member: str, pieces: Sequence[bytes], headers: dict[str, str] | None = None
) -> web.Response:
    """A JSON answer with a long list, whose `member` is still empty in it: what is in the list is sent as it is."""
    name = orjson.dumps(member)
    head, empty, tail = orjson.dumps(answer, default=members_of).rpartition(name + b":[]")
    assert empty  # the last one: an event that was put into the answer before it may have a member of that name, too
    listed = [each for piece in pieces for each in (b",", piece)][1:]
    return SplicedResponse([head + name + b":[", *listed, b"]" + tail], "application/json", headers)


def problem_response(error: StenogramError) -> web.Response:
    """A problem."""
    body = orjson.dumps(error.problem())
    return web.Response(body=body, status=error.status, content_type=PROBLEM_JSON, headers=refusal_headers(error))


def refusal_headers(error: StenogramError) -> dict[str, str]:
    """`Retry-After` and `WWW-Authenticate` where HTTP wants them."""
    headers: dict[str, str] = {}
    if "retry_after" in error.extra:
        headers["Retry-After"] = str(max(1, round(error.extra["retry_after"])))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


class HttpConnection(web.RequestHandler):
    """Serves the requests of one connection. What is no HTTP is answered with a problem, as all that goes wrong."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called by aiohttp where no request can be made of what came, or no answer of what went wrong. Raises
        ConnectionError when an answer is under way."""
        super().handle_error(request, status, exc, message)  # logs it
        error = _FAILED
        if status < 500:
            # What follows the first line are the bytes themselves.
            why = (message or "").partition("\n")[0].rstrip(".:") or "it cannot be read"
            error = Invalid(f"This is no HTTP request: {why}. (This port speaks plain HTTP/1.1, and no TLS.)")
        response = problem_response(error)
        response.force_close()
        return response


def problem_middleware(telemetry: Telemetry) -> Middleware:
    """What turns every error into a problem, which `telemetry` is told of."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await _problem_or_answer(request, handler, telemetry)
        finally:
            release(request)

    return middleware


async def _problem_or_answer(request: web.Request, handler: Handler, telemetry: Telemetry) -> web.StreamResponse:
    """Nothing but an answer or a problem leaves the gateway."""
    try:
        return await handler(request)
    except NoDocument as nothing:  # what was asked for may be, and is not there yet: nobody was refused anything
        return problem_response(nothing)
    except StenogramError as error:
        return _refuse(request, telemetry, error)
    except web.HTTPRequestEntityTooLarge:
        return _refuse(request, telemetry, TooLarge("The body is over the limit of this gateway."))
    except web.HTTPNotFound:
        return _refuse(request, telemetry, NotFound(f"There is nothing at {request.path}; see /openapi.json."))
    except web.HTTPMethodNotAllowed as error:
        return _of_http(
            error, "method_not_allowed", f"{request.path} takes {', '.join(sorted(error.allowed_methods))}."
        )
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _of_http(error, "invalid", error.reason)
    except ConnectionError:
        raise
    except Exception:  # whatever it is, the client gets a problem and the log the traceback
        _logger.exception("%s %s failed", request.method, request.path)
        return _refuse(request, telemetry, _FAILED)


def _refuse(request: web.Request, telemetry: Telemetry, error: StenogramError) -> web.Response:
    # The path without its query, in which there may be a token.
    telemetry.refused(error, request.get(PRINCIPAL), request=f"{request.method} {request.path}", remote=request.remote)
    return problem_response(error)


def _of_http(error: web.HTTPException, code: str, detail: str) -> web.Response:
    problem = ProblemAnswer(
        type=f"urn:stenogram:error:{code}", title=error.reason, status=error.status, code=code, detail=detail
    )
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    body = orjson.dumps(problem, default=members_of)
    return web.Response(body=body, status=error.status, content_type=PROBLEM_JSON, headers=allow)
