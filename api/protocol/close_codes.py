"""Why the gateway ends a connection: the close codes, in two bands by what the client should do.

4000–4499: reconnect and resume. 4500–4999: do not; the same would happen again.
"""

from typing import NamedTuple

from ...domain.errors import StenogramError


class CloseCode(NamedTuple):
    """A close code and its name, which is the `code` of the `bye` that comes before."""

    code: int
    name: str

    @property
    def final(self) -> bool:
        """Whether reconnecting makes no sense."""
        return not 4000 <= self.code < 4500


SERVER_ERROR = CloseCode(4000, "server_error")
SHUTDOWN = CloseCode(4001, "shutdown")
SILENT = CloseCode(4002, "silent")
SLOW_CONSUMER = CloseCode(4008, "slow_consumer")
TOKEN_EXPIRED = CloseCode(4010, "token_expired")
PROTOCOL_ERROR = CloseCode(4500, "protocol_error")
UNAUTHENTICATED = CloseCode(4501, "unauthenticated")
FORBIDDEN = CloseCode(4503, "forbidden")
NOT_UTF8 = CloseCode(1007, "not_utf8")
TOO_LARGE = CloseCode(1009, "too_large")

_BY_CODE = {each.code: each for each in (PROTOCOL_ERROR, UNAUTHENTICATED, FORBIDDEN, TOO_LARGE)}


def close_code_for(error: StenogramError) -> CloseCode:
    """How a connection ends that an error makes impossible to go on with."""
    return _BY_CODE.get(error.close, SERVER_ERROR)
