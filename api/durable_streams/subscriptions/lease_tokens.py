"""The tokens of leases: which wake of which subscription somebody works for. They give no other right.

They are signed with a key that all gateways have, and so name the tenant; whether the lease still holds, the log knows.
"""

import hmac
from typing import NamedTuple

import jwt
from aiohttp import web

from ....domain.errors import Unauthenticated
from ....domain.ids import SessionId
from ...settings import Settings

_PURPOSE = b"stenogram: leases of stream subscriptions"
_ALGORITHM = "HS256"


class Lease(NamedTuple):
    """A wake that somebody works for."""

    tenant: str
    session: SessionId
    generation: int
    wake: str


class LeaseTokens:
    """Of one gateway. `usable`: it has a key that other gateways, and the next start, have as well. An open one needs
    none: it trusts whatever a client says."""

    def __init__(self, settings: Settings) -> None:
        shared = settings.webhook_keys or ((settings.jwt_secret or "open"),)
        self.usable = settings.open or bool(settings.webhook_keys) or settings.jwt_secret is not None
        # Not the keys themselves: a lease must never pass for a token of a participant. The same key may have other
        # line ends at another gateway.
        self._keys = [hmac.digest("".join(each.split()).encode(), _PURPOSE, "sha256") for each in shared]

    def make(self, lease: Lease) -> str:
        """The token of a lease."""
        return jwt.encode(lease._asdict(), self._keys[0], _ALGORITHM)

    def of_request(self, request: web.Request) -> Lease:
        """The lease of who makes a request. Raises Unauthenticated."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Send the token of the wake, or of the claim, as Authorization: Bearer.")
        for key in self._keys if self.usable else ():
            try:
                said = jwt.decode(token.strip(), key, algorithms=[_ALGORITHM])
                return Lease(said["tenant"], said["session"], said["generation"], said["wake"])
            except (jwt.PyJWTError, KeyError, ValueError, TypeError, RecursionError, OverflowError):
                continue
        raise Unauthenticated("This is no token of a wake or a claim of this gateway.")
