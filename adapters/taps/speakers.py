"""Who speaks for the agents of a framework: a participant each, with a connection of its own.

A token names one participant. With one token, and nothing that makes others, all that the agents do is recorded as that
participant's; which agent it was is in the metadata.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from ...client import Client
from ...client.session import Session
from ...client.transport.identity import Token
from ...domain.audience import RESERVED
from ...domain.ids import ParticipantId, SessionId
from ..recordings.session_lines import slug
from .interruptions import Interruptions

MAX_PARTICIPANTS = 32
"""Of one tap, each of which is a connection. Agents beyond them speak as the holder of their run."""
TokenFor = Callable[[ParticipantId], Token]


class Joined(NamedTuple):
    """A participant in a session, and what signals to it lead to."""

    session: Session
    interruptions: Interruptions


class _Seat:
    """A participant in a session, and how many runs need it there."""

    def __init__(self, joined: Joined) -> None:
        self.joined = joined
        self.users = 0


class Speakers:
    """To be used in one loop. `token`: that of the one participant; `tokens` gives one for each; with neither, the
    gateway runs open."""

    def __init__(self, url: str, token: Token | None, tokens: TokenFor | None, participant: str | None) -> None:
        self._url = url
        self._token = token
        self._tokens = tokens
        self._participant = participant
        self._clients: dict[ParticipantId, Client] = {}
        self._seats: dict[tuple[ParticipantId, SessionId], _Seat] = {}
        self._joining = asyncio.Lock()

    def name_of(self, agent: str, holder: ParticipantId | None = None) -> ParticipantId:
        """The participant that an agent is; `holder`: that of its run."""
        if self._token is not None and self._tokens is None:
            return self._participant or "agent"
        if holder is None and self._participant is not None:
            return self._participant
        name = slug(agent)
        name = f"agent-{name}" if name in RESERVED else name
        crowded = name not in self._clients and len(self._clients) >= MAX_PARTICIPANTS
        return holder if holder is not None and crowded else name

    async def join(self, name: ParticipantId, session: SessionId, agent: str, about: dict[str, str]) -> Joined:
        """Have a participant take part, until it has left as often. Waits for the gateway. Raises its refusals."""
        async with self._joining:
            seat = self._seats.get((name, session))
            if seat is None:
                client = await self._connected(name)
                entered = await client.session(session, name=agent[:128], about=about).__aenter__()
                seat = _Seat(Joined(entered, Interruptions(entered, client.participant)))
                self._seats[name, session] = seat
            seat.users += 1
            return seat.joined

    async def leave(self, name: ParticipantId, session: SessionId) -> None:
        """One run needs the participant no longer."""
        async with self._joining:
            seat = self._seats[name, session]
            seat.users -= 1
            if seat.users == 0:
                del self._seats[name, session]
                seat.joined.interruptions.close()
                await seat.joined.session.__aexit__(None, None, None)

    async def aclose(self) -> None:
        """Close all connections."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()

    async def _connected(self, name: ParticipantId) -> Client:
        client = self._clients.get(name)
        if client is None:
            token = self._token if self._tokens is None else self._tokens(name)
            client = Client(self._url, token=token) if token is not None else Client(self._url, participant=name)
            await client.connect()
            self._clients[name] = client
        return client
