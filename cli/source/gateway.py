"""A gateway as a source: its HTTP routes, events as NDJSON, so that their bytes stay as the log has them.

Views are those that the gateway keeps. One that it does not keep is folded here, from the events that it shows.
Following is a request that waits at the gateway until something happens, again and again; it survives a gateway that
restarts, and says on stderr that it waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import click
import orjson

from ...client.errors import Unreachable, from_problem
from ...client.transport.faults import in_words
from ...client.transport.identity import base_url
from ...domain.concepts.lifecycle import SessionForked
from ...domain.errors import NoDocument, NotFound, StenogramError
from ...domain.ids import SessionId, Version
from ..options import Place
from .port import AtMoment, Page, Summary

if TYPE_CHECKING:
    from ...projections.authoring.projection import AnyProjection

PAGE_EVENTS = 1_000
PAGE_SESSIONS = 200
PAGE_ROWS = 1_000
WAIT_S = 25
RETRY_S = 1.0
FROM_A_PROXY = (502, 503, 504)
"""Statuses by which a proxy says, in words of its own, that it reaches no gateway."""
VIEW_WAIT_S = 10


class GatewaySource:
    """Reads through a gateway, as the participant that the token names; audiences apply."""

    def __init__(self, place: Place) -> None:
        self._url = base_url(place.log)
        self._headers = {"Authorization": f"Bearer {place.token}"} if place.token else {}
        who = {} if place.token else {"participant": place.participant, "kind": place.kind}
        self._who = {name: value for name, value in who.items() if value}
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=None, connect=10, sock_read=WAIT_S + 20)
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._http is not None:
            await self._http.close()

    async def sessions(self, prefix: str) -> AsyncIterator[Summary]:
        after = ""
        while True:
            asked = {"after": after, "limit": str(PAGE_SESSIONS), "prefix": prefix}
            body, _ = await self._get("/v1/sessions", {name: value for name, value in asked.items() if value})
            page = orjson.loads(body)["sessions"]
            for found in page:
                yield Summary(
                    found["session"],
                    found["version"],
                    found.get("title"),
                    found.get("status", "open"),
                    found.get("labels") or {},
                )
            if len(page) < PAGE_SESSIONS:
                return
            after = page[-1]["session"]

    async def version(self, session: SessionId) -> Version:
        body, _ = await self._get(f"/v1/sessions/{session}", {})
        version: Version = orjson.loads(body)["version"]
        return version

    async def origins(self, session: SessionId) -> list[SessionId]:
        found = []
        forks = {"after": "0", "types": SessionForked.type}
        async for page in self._pages(f"/v1/sessions/{session}/events", forks, follow=False):
            found += [orjson.loads(wire)["data"]["origin"] for wire in page]
        return found

    async def read(self, session: SessionId, after: int, *, follow: bool = False) -> AsyncIterator[Page]:
        async for page in self._pages(f"/v1/sessions/{session}/events", {"after": str(after)}, follow):
            yield page

    async def views(
        self, session: SessionId, projections: "Sequence[AnyProjection]", at: AtMoment | None = None
    ) -> list[Any]:
        from .folding import fold_views

        served = await self.served()
        rest = [each for each in projections if each.name not in served]
        folded = iter(await fold_views(self.read(session, 0), rest, at) if rest else [])
        return [
            await self._view(served[each.name], session, at) if each.name in served else next(folded)
            for each in projections
        ]

    async def view(self, name: str, key: str, at: AtMoment | None = None) -> Any:
        """What a view that the gateway serves holds under a key, now or at a moment, whatever projection it is of; see
        `views`. Raises NotFound."""
        served = await self.served()
        if name not in served:
            hint = f" The session comes first: stenogram view {name} {key}." if key in served else ""
            raise NotFound(f"The gateway serves no view {name!r}; it serves {', '.join(served) or 'none'}.{hint}")
        if served[name]["by_session"]:
            await self.version(key)
        value = await self._view(served[name], key, at)
        if value is None and not served[name]["by_session"]:
            raise NotFound(f"The view {name} holds nothing under {key!r}.")
        return value

    async def served(self) -> dict[str, Any]:
        """What the gateway says of its views, by name."""
        body, _ = await self._get("/v1/views", {})
        return {each["view"]: each for each in orjson.loads(body)["views"]}

    async def _view(self, served: dict[str, Any], key: str, at: AtMoment | None) -> Any:
        """What a view that the gateway keeps holds under a key."""
        path, moment = f"/v1/views/{served['view']}/{key}", _moment(served, at)
        if served["keeps"] == "documents":
            try:
                body, _ = await self._get(path, moment)
            except NoDocument:
                return None
            return orjson.loads(body)["value"]
        rows: list[Any] = []
        asked = {**moment, "limit": str(PAGE_ROWS)}
        while True:
            body, _ = await self._get(path, asked)
            page = orjson.loads(body)
            rows += page["rows"]
            if "next" not in page:
                return rows
            asked["after"] = page["next"]

    async def read_all(self, after: str = "0", *, last: int | None = None, follow: bool = False) -> AsyncIterator[Page]:
        begin = {"after": after} if last is None else {"last": str(last)}
        async for page in self._pages("/v1/events", begin, follow):
            yield page

    async def _pages(self, path: str, place: dict[str, str], follow: bool) -> AsyncIterator[Page]:
        caught_up = False
        while not caught_up or follow:
            asked = {**place, "limit": str(PAGE_EVENTS)}
            if caught_up:
                asked["wait"] = str(WAIT_S)
            try:
                body, headers = await self._get(path, asked, Accept="application/x-ndjson")
            except Unreachable as lost:
                if not caught_up:
                    raise
                await self._wait_for_gateway(lost)
                continue
            if "Stenogram-Gap" in headers:
                click.echo(f"stenogram: versions {headers['Stenogram-Gap']} are no longer kept.", err=True)
            if body:
                yield body.splitlines()
            # A place with its epoch: by a version alone a log that was restored would go on as if nothing were missing.
            place = {"after": headers.get("Stenogram-Resume", headers["Stenogram-To"])}
            caught_up = caught_up or headers.get("Stenogram-Caught-Up", "").lower() == "true"

    async def _wait_for_gateway(self, lost: Unreachable) -> None:
        click.echo(f"stenogram: {lost.detail} Waiting for it.", err=True)
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await self._get("/health", {})
            except Unreachable:
                continue
            return

    async def _get(self, path: str, asked: dict[str, str], **headers: str) -> tuple[bytes, Mapping[str, str]]:
        assert self._http is not None, "the source is open"
        try:
            async with self._http.get(f"{self._url}{path}", params={**asked, **self._who}, headers=headers) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"No gateway answers at {self._url} ({in_words(error)}).") from None
        if answer.status >= 400:
            raise _refusal(self._url, answer.status, body)
        return body, answer.headers


def _moment(view: dict[str, Any], at: AtMoment | None) -> dict[str, str]:
    """The query for a view at a moment. One as it is now is waited for until it holds all that is in the log by now."""
    if at is None:
        return {"min_position": str(view.get("position", 0) + view.get("behind", 0)), "wait": str(VIEW_WAIT_S)}
    return {"at": str(at) if isinstance(at, int) else at.isoformat()}


def _refusal(url: str, status: int, body: bytes) -> StenogramError:
    """The problem that the gateway sent, as the error that it was there."""
    try:
        problem: Any = orjson.loads(body)
        return from_problem(problem)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        if status in FROM_A_PROXY:
            return Unreachable(f"{url} answered with status {status}: the proxy there reaches no gateway; try again.")
        return Unreachable(f"{url} answered with status {status}, not as a gateway does; check the URL.")
