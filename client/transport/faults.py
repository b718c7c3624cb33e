"""What went wrong on the way to a gateway, in a few words for people."""

import os

import aiohttp


def in_words(error: BaseException) -> str:
    """`Connection refused`, not what aiohttp prints of it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or "the name in it is another"
        return f"its certificate is not trusted here: {reason}"
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        number = error.os_error.errno
        said = error.os_error.strerror or "connection failed"
        return os.strerror(number) if number and number > 0 else said
    return next((said for kind, said in _WORDS.items() if isinstance(error, kind)), str(error) or type(error).__name__)


def status_in_words(status: int) -> str:
    """What an HTTP status in place of a WebSocket is called."""
    return f"it answers with status {status}, and begins no WebSocket; check the URL, and the proxy if there is one"


_WORDS: dict[type[BaseException], str] = {
    aiohttp.ClientSSLError: "it speaks no TLS that is known here; check whether it is http:// or https://",
    aiohttp.InvalidURL: "that is no URL of a gateway, such as http://127.0.0.1:8600",
    aiohttp.ServerDisconnectedError: "the connection was cut before an answer came",
    aiohttp.ClientResponseError: "what answers there speaks no HTTP",
    aiohttp.ClientPayloadError: "the answer was cut short",
    TimeoutError: "no answer came in time",
}
"""By kind, the first that fits."""
