"""HTTP answers: JSON, and problems (RFC 9457) for whatever goes wrong."""

import logging
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web, web_response
from aiohttp.http import HttpProcessingError

from ...domain.errors import NotFound, StenogramError, TooLarge, Unauthenticated
from .answer import HttpAnswer, ProblemAnswer, members_of

_OF_CLIENTS = (HttpProcessingError, ConnectionError)
_logger = logging.getLogger(__name__)
http_logger = logging.getLogger(f"{__name__}.http")
"""For aiohttp. Bytes that are no HTTP are answered with 400, and clients go away in the midst of a request: that is no
fault of ours, and so it is not logged."""
http_logger.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], _OF_CLIENTS)))
# What aiohttp calls itself in every answer, also to what is no HTTP, are two versions that nobody needs to know.
web_response.SERVER_SOFTWARE = "Stenogram"  # type: ignore[attr-defined]
PROBLEM_JSON = "application/problem+json"


def json_response(answer: HttpAnswer, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    body = orjson.dumps(answer, default=members_of)
    return web.Response(body=body, content_type="application/json", headers=headers)


def problem_response(error: StenogramError) -> web.Response:
    """A problem; `Retry-After` and `WWW-Authenticate` where HTTP wants them."""
    response = web.Response(body=orjson.dumps(error.problem()), status=error.status, content_type=PROBLEM_JSON)
    if "retry_after" in error.extra:
        response.headers["Retry-After"] = str(max(1, round(error.extra["retry_after"])))
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


@web.middleware
async def problem_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn every error into a problem; nothing else leaves the gateway."""
    try:
        return await handler(request)
    except StenogramError as error:
        return problem_response(error)
    except web.HTTPRequestEntityTooLarge:
        return problem_response(TooLarge("The body is over the limit of this gateway."))
    except web.HTTPNotFound:
        return problem_response(NotFound(f"There is nothing at {request.path}; see /openapi.json."))
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
        return problem_response(StenogramError("The gateway failed at this request; nothing more is known here."))


def _of_http(error: web.HTTPException, code: str, detail: str) -> web.Response:
    problem = ProblemAnswer(
        type=f"urn:stenogram:error:{code}", title=error.reason, status=error.status, code=code, detail=detail
    )
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    body = orjson.dumps(problem, default=members_of)
    return web.Response(body=body, status=error.status, content_type=PROBLEM_JSON, headers=allow)
