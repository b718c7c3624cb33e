"""Who the client is, and where the gateway is: what goes into `hello` and into every HTTP request."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ...domain.errors import ConfigurationError
from ...domain.ids import new_id
from ...domain.model import KINDS, Kind

Token = str | Callable[[], str | Awaitable[str]]
PROTOCOL = 1
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Identity:
    """A token, or a callable that returns a fresh one (it is asked at every connection and request); or, for a
    gateway that runs open, the participant's id and kind. Raises ConfigurationError when it is neither or both. `run`
    is which run of the participant this is: a process, from its start to its end; a new one, unless it is said."""

    def __init__(self, token: Token | None, participant: str | None, kind: Kind, run: str | None = None) -> None:
        if (token is None) == (participant is None):
            raise ConfigurationError("Give the client either a token or a participant.")
        if kind not in KINDS:
            raise ConfigurationError(f"A participant is of kind {', '.join(KINDS)}, not {kind!r}.")
        self._token = token
        self._participant = participant
        self._kind = kind
        self.run = run or new_id()

    async def hello(self) -> dict[str, Any]:
        """The first frame of a connection."""
        if self._token is None:
            who: dict[str, Any] = {"participant": self._participant, "kind": self._kind}
        else:
            who = {"token": await self._fresh()}
        return {"frame": "hello", "protocol": PROTOCOL, **who, "run": self.run}

    async def http(self) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and query parameters of a request."""
        run = {"Stenogram-Run": self.run}
        if self._token is None:
            return run, {"participant": self._participant or "", "kind": self._kind}
        return {"Authorization": f"Bearer {await self._fresh()}", **run}, {}

    async def _fresh(self) -> str:
        token = self._token() if callable(self._token) else self._token
        return await token if inspect.isawaitable(token) else str(token)


def base_url(url: str) -> str:
    """The gateway's address in its HTTP form, without a trailing slash. Raises ConfigurationError."""
    with suppress(ValueError):  # brackets or a port that are none
        parts = urlsplit(url)
        if parts.scheme in _SCHEMES and parts.hostname and parts.port != 0:
            return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}"
    raise ConfigurationError(f"{url!r} is no gateway's address; it looks like http://127.0.0.1:8600.")
