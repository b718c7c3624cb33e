"""Which web pages may use the gateway with their visitor's browser (RFC 6454; RFC 6455 §10.2).

A browser names the page's origin; a program names none. Besides those of the settings, pages of the gateway's own
address may connect; where the two differ, browsers need headers (CORS, WHATWG Fetch §3.2) before they show a page
what it has asked for. On an open gateway that address must be this machine's: a page whose name was made to point here
(DNS rebinding) would otherwise pass for one of ours. Nor does an open gateway answer what a proxy says that it has
forwarded: everyone who reaches the proxy would be trusted.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from ...domain.errors import Forbidden
from ..settings import Settings, is_loopback

_CORS_HEADERS = {
    "Access-Control-Expose-Headers": (
        "ETag, Location, Retry-After, Stenogram-Before, Stenogram-Caught-Up, Stenogram-Gap, Stenogram-Resume, "
        "Stenogram-To, Stream-Next-Offset, Stream-Up-To-Date, Stream-Closed, Stream-Cursor, Stream-TTL, "
        "Stream-Expires-At, Stream-SSE-Data-Encoding, Producer-Epoch, Producer-Seq, Producer-Expected-Seq, "
        "Producer-Received-Seq"
    ),
    "Vary": "Origin",
}
_PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, If-None-Match, Last-Event-ID, Stenogram-Run, Stream-TTL, Stream-Expires-At, "
        "Stream-Seq, Stream-Closed, Stream-Forked-From, Stream-Fork-Offset, Stream-Fork-Sub-Offset, Producer-Id, "
        "Producer-Epoch, Producer-Seq, X-Run-Id"
    ),
    "Access-Control-Max-Age": "600",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class OriginCheck:
    """Checks every request, as a middleware."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, request: web.BaseRequest) -> None:
        """Raise Forbidden for a page that may not connect; on an open gateway also for a name that is not this
        machine's, and for what was forwarded."""
        origin, host = request.headers.get("Origin"), request.host
        if self._settings.open:
            if not is_loopback(_name_in(host)):
                raise Forbidden(f"An open gateway is reached under this machine's own name, not as {host!r}.")
            if forwarded := next(filter(_says_forwarded, request.headers), None):
                raise Forbidden(
                    "This gateway is open: it trusts everyone who reaches it, and does not answer what a proxy "
                    f"forwards ({forwarded}). Give it keys: `stenogram keys new`."
                )
        if origin is not None and origin not in self._settings.origins and _address(origin) != host:
            raise Forbidden(f"Pages of {origin} may not connect; add it to STENOGRAM_ORIGINS.")

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check, then handle. A browser that asks beforehand (a preflight) is answered here."""
        self.check(request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204, headers=_PREFLIGHT_HEADERS)
        return await handler(request)

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let the browser show this response to a page from elsewhere, be it a refusal. A signal of
        responses that are about to be sent."""
        origin = request.headers.get("Origin")
        if origin is not None and origin in self._settings.origins:
            response.headers.update({**_CORS_HEADERS, "Access-Control-Allow-Origin": origin})


def _says_forwarded(header: str) -> bool:
    """Whether a proxy writes it (RFC 7239, and what was usual before)."""
    name = header.lower()
    return name in ("forwarded", "x-real-ip") or name.startswith("x-forwarded-")


def _address(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
