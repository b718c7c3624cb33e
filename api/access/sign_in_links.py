"""Links that sign somebody in to the console of an open gateway, once.

A link carries a random code behind its `#`, which no server, access log or `Referer` sees (RFC 9110 §10.1.3); the page
takes it out of the address and gives it back in the body of a request. Codes are known to the process that made them
alone, as digests, until they expire or the process ends: so each works once, however many gateways share a log.
"""

import secrets
import time
from hashlib import sha256
from typing import NamedTuple

from ...domain.errors import Gone
from ...domain.ids import ParticipantId
from ...domain.model import Kind

VALID_S = 600.0
MOST_LINKS = 1_000
"""Links that are known at once; with more the oldest are not good any more."""


class _Link(NamedTuple):
    participant: ParticipantId
    kind: Kind
    expires: float
    used: bool = False


class SignInLinks:
    """The links of one gateway; the oldest come first."""

    def __init__(self) -> None:
        self._links: dict[bytes, _Link] = {}

    def make(self, participant: ParticipantId, kind: Kind = "user") -> str:
        """A new code of 128 random bits, good once within `VALID_S`."""
        code = secrets.token_urlsafe(16)
        self._forget()
        self._links[_digest(code)] = _Link(participant, kind, time.monotonic() + VALID_S)
        if len(self._links) > MOST_LINKS:
            del self._links[next(iter(self._links))]
        return code

    def use(self, code: str) -> tuple[ParticipantId, Kind]:
        """Whom the code signs in. Raises Gone where it has done so before, and where it is not known (any more)."""
        self._forget()
        link = self._links.get(digest := _digest(code))
        if link is None:
            raise Gone(
                f"This sign-in link is not known here: it is older than {VALID_S / 60:.0f} minutes, or another gateway "
                "made it, or this one before it was started again."
            )
        if link.used:
            raise Gone("This sign-in link has been used; each works once.")
        self._links[digest] = link._replace(used=True)
        return link.participant, link.kind

    def _forget(self) -> None:
        now = time.monotonic()
        while self._links and next(iter(self._links.values())).expires <= now:
            del self._links[next(iter(self._links))]


def _digest(code: str) -> bytes:
    return sha256(code.encode()).digest()
