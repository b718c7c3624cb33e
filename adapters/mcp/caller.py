"""Who makes a call: the bearer token of its HTTP request, or what `stenogram mcp` was started with."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jwt

from ...client.transport.identity import Identity
from ...domain.errors import Invalid, Unauthenticated
from ...domain.model import KINDS, Kind


class Caller(NamedTuple):
    """A participant, by a token, or on a gateway that runs open by name."""

    token: str | None
    named: str | None
    kind: Kind = "agent"

    @classmethod
    def of_request(cls, headers: Mapping[str, str], query: Mapping[str, str]) -> "Caller":
        """Who makes an HTTP request. Raises Invalid."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else query.get("token")
        kind = query.get("kind", "agent")
        if kind not in KINDS:
            raise Invalid(f"`kind` in the address is one of {', '.join(KINDS)}, not {kind!r}.")
        return cls(token, None if token else query.get("participant"), kind)  # type: ignore[arg-type]

    @property
    def participant(self) -> str:
        """Their id. It is the gateway that checks the token; what is read here says only whom it is made out to.
        Raises Unauthenticated."""
        if self.token is None:
            if self.named is None:
                raise Unauthenticated(
                    "It is not known who you are. The server's entry in your client's configuration needs the header "
                    "`Authorization: Bearer TOKEN`; for a gateway that runs open, an address that ends with "
                    "`/mcp?participant=NAME`."
                )
            return self.named
        try:
            claims: dict[str, Any] = jwt.decode(self.token, options={"verify_signature": False})
            return str(claims["sub"])
        except (jwt.PyJWTError, KeyError):
            raise Unauthenticated("The token cannot be read. Make one with `stenogram token --sub NAME`.") from None

    def identity(self, run: str | None) -> Identity:
        """Who the gateway is told that a request comes from."""
        return Identity(self.token, None if self.token else self.participant, self.kind, run)
