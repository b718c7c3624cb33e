"""What a framework stores, as events of sessions: records, appended and read back in order.

A record is a JSON object of a kind, and becomes a custom event (`x.langgraph.checkpoint`). One that is too large for an
event comes in pieces before it (`x.langgraph.piece`). Nothing is ever changed: what a framework deletes is a record
that says so, and what it copies is a fork, whose first records are the origin's.

Whoever appends says up to which version they know the journal (`expect`): if somebody else has appended since, it is
refused with `Conflict`, and nothing is lost. Reading goes on from where it was left.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple, TypedDict

import orjson

from ..client import Client
from ..client.transport.http import EventPage
from ..client.transport.identity import Token
from ..domain.concepts.custom import OpaqueData
from ..domain.errors import Conflict, Forbidden, NoChange, NotFound
from ..domain.ids import NAME_PATTERN, SessionId, new_id
from ..domain.model import Event, Kind
from .background import Background, LoopLock
from .patience import patiently

PIECE_CHARS = 192 * 1024
"""Of a record's JSON, in one event: a frame has at most a mebibyte, and a character at most four bytes."""
PATIENCE_S = 10.0
AUDIENCE = ("agents",)
"""What a framework stores is its agents' memory, and not for the people in the session."""
Record = dict[str, Any]


class Access(TypedDict, total=False):
    """How a store gets at the gateway: by a token; or on one that runs open, as a participant of a kind."""

    token: Token | None
    participant: str | None
    kind: Kind


class Entry(NamedTuple):
    """A record with its place."""

    version: int
    time: datetime
    kind: str
    record: Record


class Journal:
    """The records of one store (`langgraph`) in the sessions of a gateway. Its methods are to be called in the loop of
    `background`. Kinds that are `beside` neither expect anything nor count in what others expect."""

    def __init__(self, store: str, url: str, access: Access, *, beside: Collection[str] = ()) -> None:
        self.store = store
        self._beside = beside
        self._url = url
        self._access = access
        self._client: Client | None = None
        self._connecting = LoopLock()
        self._opened: set[SessionId] = set()
        self.background = Background(self._close)

    async def append(self, session: SessionId, kind: str, record: Record, *, expect: int | None = None) -> int:
        """Append a record; its version. Raises Conflict when somebody else has appended one since the version that is
        expected."""
        client = await self._connected()
        await self._ensure(client, session)
        data = await self._in_pieces(client, session, record)
        about = f"{self.store}.{kind}" if kind in self._beside else self.store
        conditions = None if expect is None else {f"custom:{about}": expect}
        event = {"type": f"x.{self.store}.{kind}", "data": data, "about": about, "audience": list(AUDIENCE)}
        ack = await client.do(session, "custom.record", event, expect=conditions)
        return ack.versions[0]

    async def read(self, session: SessionId, reader: "Reader") -> AsyncIterator[Entry]:
        """The records since the reader was here last. Those of a session that does not exist are none."""
        client = await self._connected()
        types = [f"x.{self.store}.*", "session.forked"]
        while True:
            after = reader.version
            try:
                asked = partial(client.page, session, after, types=types, limit=1_000)
                page: EventPage = await patiently(asked, PATIENCE_S)
            except NotFound:
                return
            for event in page.events:
                if (entry := reader.entry(event, self.store, self._beside)) is not None:
                    yield entry
            reader.version = max(reader.version, page.to)
            if page.caught_up:
                return

    async def fork(self, origin: SessionId, session: SessionId) -> bool:
        """Make a session that shares another one's records. False when there is one already, or no origin."""
        client = await self._connected()
        try:
            await client.do(session, "session.fork", {"origin": origin})
        except (Conflict, NotFound):
            return False
        self._opened.add(session)
        return True

    async def sessions(self) -> AsyncIterator[SessionId]:
        """The sessions that have records of this store, by id."""
        client, after = await self._connected(), None
        while True:
            page = await patiently(partial(client.sessions, after=after, limit=1_000), PATIENCE_S)
            for each in page["sessions"]:
                if each["labels"].get(_label(self.store)) is not None:
                    yield each["session"]
            after = page.get("next")
            if after is None:
                return

    async def _ensure(self, client: Client, session: SessionId) -> None:
        """See that the session is there, and is found among those of the store."""
        if session in self._opened:
            return
        labels = {_label(self.store): "yes"}
        try:
            await client.do(session, "session.open", {"labels": labels})
        except Forbidden:  # it may be there all the same; if it is not, the record is refused
            pass
        except Conflict as conflict:
            if type(conflict) is not Conflict:
                raise
            with contextlib.suppress(NoChange, Forbidden):
                await client.do(session, "session.label", {"set": labels})
        self._opened.add(session)

    async def _in_pieces(self, client: Client, session: SessionId, record: Record) -> Record:
        """The record as an event has it; what is too large is sent before."""
        text, whole = orjson.dumps(record).decode(), new_id()
        if len(text) <= PIECE_CHARS:
            return {"record": record}
        for first in range(0, len(text), PIECE_CHARS):
            data = {"of": whole, "text": text[first : first + PIECE_CHARS]}
            about = f"{self.store}.piece"
            event = {"type": f"x.{self.store}.piece", "data": data, "about": about, "audience": list(AUDIENCE)}
            await client.do(session, "custom.record", event)
        return {"of": whole}

    async def _connected(self) -> Client:
        async with self._connecting.here:
            if self._client is None:
                client = Client(self._url, connect_timeout=PATIENCE_S, **self._access)
                await client.connect()
                self._client = client
            return self._client

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


class Reader:
    """How far the records of a session were read. `head` is what an append must expect; `pieces` are those whose record
    is yet to come."""

    def __init__(self) -> None:
        self.version = 0
        self.head = 0
        self._lock = LoopLock()
        self._pieces: dict[str, list[str]] = {}

    @property
    def lock(self) -> asyncio.Lock:
        """Held by who reads, or appends what rests on what was read."""
        return self._lock.here

    def entry(self, event: Event, store: str, beside: Collection[str]) -> Entry | None:
        """The record of an event; None where it is none."""
        self.version = event.version
        if event.type == "session.forked":
            self.head = 0  # of what an append expects, a fork has only what came after it
            return None
        assert isinstance(event.data, OpaqueData)
        kind, data = event.type.removeprefix(f"x.{store}."), event.data.value
        if kind == "piece":
            self._pieces.setdefault(str(data["of"]), []).append(str(data["text"]))
            return None
        record: Any = data.get("record")
        if record is None:
            record = orjson.loads("".join(self._pieces.pop(str(data["of"]))))
        if kind not in beside:
            self.head = event.version
        return Entry(event.version, event.time, kind, record)


def session_id(name: str) -> SessionId:
    """The session for what a framework calls so: the same name, where that is one; or one made from it."""
    if len(name) <= 128 and re.fullmatch(NAME_PATTERN.rstrip("$") + r"\Z", name):
        return name
    return f"x-{sha256(name.encode(errors='surrogatepass')).hexdigest()[:40]}"


def _label(store: str) -> str:
    return f"store.{store}"
