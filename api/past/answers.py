"""Answers with the past: views and sessions at a moment, and what changed between two.

They are the same whether the gateway's process makes them or the one beside it. A request has been checked before: who
asks, whether they may, and what they ask for.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import NamedTuple

import orjson
from aiohttp import web

from ...domain.audience import Viewer
from ...domain.errors import NotFound
from ...log.log import Log
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.moment_fold import MomentRows
from ...projections.seek import version_at
from ...projections.store import ViewStore
from ..http.moments import AtMoment, PastKind, session_query
from ..http.responses import json_response
from ..http.session_answers import session_json
from ..http.view_answers import DocumentDifference
from ..http.view_queries import difference_query, key_of, rows_query, view_query
from ..http.view_responses import document_response, list_query, page_response
from ..protocol.queries import session_of
from ..transport.answer_budget import reserve_answer
from ..views.access import SESSION_KEY
from ..views.moment_cache import MomentCache
from ..views.past import difference_between, document_of, rows_of


class PastSource(NamedTuple):
    """A tenant's log and views, open."""

    tenant: str
    log: Log
    store: ViewStore
    projections: Mapping[str, AnyProjection]


class PastAnswers:
    """Makes them. `sources` opens a tenant's log and views for the time of a block."""

    def __init__(self, sources: Callable[[str], AbstractAsyncContextManager[PastSource]]) -> None:
        self._sources = sources
        self._moments = MomentCache()

    async def answer(self, kind: PastKind, request: web.Request, tenant: str, viewer: Viewer) -> web.Response:
        """Answer a request as this viewer may see it. Raises BadCursor, NotFound, Invalid, FoldFailed, TooLarge,
        Overloaded, and the LogError tree."""
        make = {"session": self._session, "view": self._view, "difference": self._difference}[kind]
        async with self._sources(tenant) as source:
            return await make(request, source, viewer)

    async def _session(self, request: web.Request, source: PastSource, viewer: Viewer) -> web.Response:
        session, at = session_of(request), session_query(request).at
        version, time = (None, at) if isinstance(at, datetime) else (at, None)
        version = await version_at(source.log, session, version=version, time=time)
        state = await source.log.state_at(session, version)
        if state.session.status == "none":
            raise NotFound(f"There is no session {session!r}.")
        await reserve_answer(request)
        return web.Response(body=await session_json(state, viewer), content_type="application/json")

    async def _view(self, request: web.Request, source: PastSource, viewer: Viewer) -> web.Response:
        projection, key = _named(request, source)
        if isinstance(projection, DocProjection):
            then = await self._at(source, projection, key, view_query(request).at)
            await reserve_answer(request)
            place = {"version": then.version, "position": then.position}
            return document_response(request, projection, key, place, document_of(projection, then, viewer))
        query = rows_query(request)
        then = await self._at(source, projection, key, query.at)
        await reserve_answer(request)
        found = await rows_of(projection, then, viewer, list_query(projection, query, {SESSION_KEY: key}))
        return page_response(projection, found, {"key": key, "version": then.version})

    async def _difference(self, request: web.Request, source: PastSource, viewer: Viewer) -> web.Response:
        (projection, key), query = _named(request, source), difference_query(request)
        moments = (
            await self._at(source, projection, key, query.from_),
            await self._at(source, projection, key, query.to),
        )
        await reserve_answer(request)
        patch = await difference_between(projection, moments, viewer)
        places = {"from": moments[0].version, "to": moments[1].version}
        about = {"view": projection.name, "key": key, **places, "patch": orjson.Fragment(patch)}
        return json_response(DocumentDifference.model_validate(about))

    async def _at(self, source: PastSource, projection: AnyProjection, key: str, at: AtMoment | None) -> MomentRows:
        return await self._moments.at(source.tenant, source.log, source.store, projection, key, at)


def _named(request: web.Request, source: PastSource) -> tuple[AnyProjection, str]:
    projection = source.projections[request.match_info["view"]]
    return projection, key_of(request, projection)
