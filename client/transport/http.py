"""The gateway's HTTP side: questions that need no subscription."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict
from urllib.parse import quote

import aiohttp
import orjson

from ...domain.envelope import parse
from ...domain.errors import StenogramError
from ...domain.ids import new_id
from ...domain.model import Event
from ..errors import Unreachable, from_problem
from .command_queue import Ack
from .faults import in_words
from .identity import Identity
from .subscription import Reading

TIMEOUT_S = 60.0


class PageQuery(TypedDict, total=False):
    """Which page of events: those before a version, or the last ones; how many, in which reading, of which types."""

    before: int | Literal["end"]
    last: int
    limit: int | None
    reading: Reading | None
    types: Sequence[str] | None


class EventPage(NamedTuple):
    """A page of a session's events. Go on with `after=to` until `caught_up`, or later with `after=resume`, which is
    refused where the log was restored or recreated in between; or back with `before=before` until there is none, from a
    page that was asked for by `before` or `last`. `gap` names versions that are gone, first and last."""

    events: list[Event]
    to: int
    head: int
    caught_up: bool
    gap: tuple[int, int] | None = None
    before: int | None = None
    resume: str = ""


class Http:
    """Asks as the same participant as the WebSocket. One attempt each: raises Unreachable, or the gateway's refusal."""

    def __init__(self, http: aiohttp.ClientSession, url: str, identity: Identity) -> None:
        self._http = http
        self._url = url
        self._identity = identity

    async def get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object at a path; members of the query that are None are left out."""
        return await self._ask("GET", path, {name: _text(value) for name, value in query.items() if value is not None})

    async def post(self, path: str) -> dict[str, Any]:
        """Ask for what is no command of a session."""
        return await self._ask("POST", path, {})

    async def do(
        self, session: str, do: str, data: Mapping[str, Any], *, id: str | None = None, under: Any = None
    ) -> Ack:
        """Have a command done. With the same `id` it is done once, however often it is sent."""
        frame = {"id": id or new_id(), "do": do, "data": data, **({"under": under} if under else {})}
        ack = await self._ask("POST", f"/v1/sessions/{quote(session, safe='')}/commands", {}, orjson.dumps(frame))
        return Ack(tuple(ack["versions"]), tuple(ack["positions"]), bool(ack.get("repeated")))

    async def record(self, session: str, commands: Sequence[Mapping[str, Any]], here: Sequence[str]) -> dict[str, Any]:
        """Have commands of others done that were recorded, and say who is here. Takes the right to record."""
        body = orjson.dumps({"commands": commands, "here": here})
        return await self._ask("POST", f"/v1/sessions/{quote(session, safe='')}/recorded", {}, body)

    async def _ask(self, method: str, path: str, query: Mapping[str, str], body: bytes | None = None) -> dict[str, Any]:
        headers, who = await self._identity.http()
        url, params, timeout = self._url + path, {**who, **query}, aiohttp.ClientTimeout(TIMEOUT_S)
        try:
            async with self._http.request(
                method, url, params=params, data=body, headers=headers, timeout=timeout
            ) as response:
                return _answer(response.status, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"{self._url} cannot be reached: {in_words(error)}.") from None

    async def page(self, session: str, query: Mapping[str, Any]) -> EventPage:
        """A page of a session's events."""
        found = await self.get(f"/v1/sessions/{session}/events", query)
        gap = found.get("gap")
        return EventPage(
            [parse(wire) for wire in found["events"]],
            found["to"],
            found["head"],
            found["caught_up"],
            None if gap is None else (gap["from"], gap["to"]),
            found.get("before"),
            found.get("resume", ""),
        )

    async def chain(self, session: str, id: str, way: Literal["causes", "effects"]) -> list[Event]:
        """What led to an event, or what it led to."""
        found = await self.get(f"/v1/sessions/{session}/events/{quote(id, safe='')}/{way}", {})
        return [parse(wire) for wire in found["events"]]


def _answer(status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        raise StenogramError(
            f"The gateway's answer (HTTP {status}) was no JSON object; is there a gateway at this address?"
        )
    if status >= 400:
        raise from_problem(answer)
    return answer


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list | tuple) else str(value)
