"""Where recorded commands go: a gateway; or a log, which the command line opens itself."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import aiohttp

from .....client.transport.http import Http
from .....client.transport.identity import Identity, Token, base_url
from .....domain.envelope import timestamp
from .....domain.ids import SessionId
from .....domain.model import Command


class Outcome(NamedTuple):
    """How many commands were carried out now, rather than before; by id, why those were refused that were; and which of
    them because their actor was to stop."""

    done: int
    refused: dict[str, str]
    stopped: frozenset[str] = frozenset()


class Sink(Protocol):
    """Carries out recorded commands. Errors that may pass are raised with a `status` of 429 or from 500 on, or as
    `Unreachable`; then the same is given again."""

    async def write(self, session: SessionId, commands: Sequence[Command], here: Sequence[str]) -> Outcome:
        """Carry out the commands in order, each once, and hear that these participants are here."""


class GatewaySink:
    """Writes through a gateway, by a token with the scope `record`; or on one that runs open, as a participant."""

    def __init__(self, url: str, token: Token | None, participant: str | None) -> None:
        self._url = base_url(url)
        self._identity = Identity(token, participant, "service")

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._http = Http(self._session, self._url, self._identity)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def write(self, session: SessionId, commands: Sequence[Command], here: Sequence[str]) -> Outcome:
        """Carry them out in one request. Raises Unreachable, and what the gateway refuses it all with."""
        answer = await self._http.record(session, [members_of(each) for each in commands], here)
        refused = answer["refused"]
        stopped = frozenset(each["id"] for each in refused if each.get("stopped"))
        return Outcome(answer["done"], {each["id"]: each["code"] for each in refused}, stopped)


def members_of(command: Command) -> dict[str, Any]:
    """A command as it goes over the wire."""
    return {
        "id": command.id,
        "actor": command.actor.id,
        "kind": command.actor.kind,
        "time": timestamp(command.time),
        "do": command.data.do,
        "data": command.data.model_dump(mode="json", exclude_none=True),
    }
