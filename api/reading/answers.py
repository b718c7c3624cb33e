"""Answers to long reads: views and sessions at a moment, what changed between two, and large pages of views.

They are the same whether the gateway's process makes them or the one beside it. A request has been checked before: who
asks, whether they may, and what they ask for.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import orjson
from aiohttp import web

from ...domain.errors import NotFound
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.moment_fold import MomentRows
from ...projections.past_rows import begins_by, past_rows
from ...projections.seek import version_at
from ..access.principal import Principal
from ..http.moments import Asked, AtMoment, session_query
from ..http.responses import json_response
from ..http.session_answers import session_json
from ..http.view_answers import DocumentDifference
from ..http.view_queries import difference_query, key_of, rows_query, view_query
from ..http.view_responses import document_response, list_query, page_response
from ..protocol.queries import session_of
from ..transport.answer_budget import SplicedResponse, reserve_answer
from ..views.access import SESSION_KEY, viewer_of
from ..views.listing import ListQuery, list_page
from ..views.moment_cache import MomentCache
from ..views.past import difference_between, document_of, rows_of
from ..views.reader import ViewReader


class Reader(NamedTuple):
    """Who reads, and the log and views of their tenant."""

    principal: Principal
    views: ViewReader


class LongAnswers:
    """Makes them. `views` opens a tenant's log and views for the time of a block."""

    def __init__(self, views: Callable[[str], AbstractAsyncContextManager[ViewReader]]) -> None:
        self._views = views
        self._moments = MomentCache()

    async def answer(self, asked: Asked, request: web.Request, principal: Principal) -> web.Response:
        """Answer a request as this principal may see it. Raises BadCursor, NotFound, Invalid, NotReady, FoldFailed,
        TooLarge, Overloaded, ViewsFailed, and the LogError tree."""
        makers = {"session": self._session, "view": self._view, "difference": self._difference, "page": self._page}
        async with self._views(principal.tenant) as views:
            return await makers[asked](request, Reader(principal, views))

    async def _session(self, request: web.Request, reader: Reader) -> web.Response:
        log, session = reader.views.log, session_of(request)
        version = await version_at(log, session, session_query(request).at)
        state = await log.outline_at(session, version)
        if state.session.status == "none":
            raise NotFound(f"There is no session {session!r}.")
        await reserve_answer(request)
        body = await session_json(state, await reader.principal.viewer(log, session))
        return SplicedResponse([body], "application/json")

    async def _view(self, request: web.Request, reader: Reader) -> web.Response:
        projection, key = _named(request, reader)
        viewer = await viewer_of(reader.principal, reader.views.log, projection, key)
        if isinstance(projection, DocProjection):
            then = await self._at(reader, projection, key, view_query(request).at)
            await reserve_answer(request)
            place = {"version": then.version, "position": then.position}
            return document_response(request, projection, key, place, document_of(projection, then, viewer))
        query = rows_query(request)
        wanted = list_query(projection, query, {SESSION_KEY: key})
        page = await self._past_page(request, reader, projection, query.at, wanted)
        if page is not None:
            return page
        then = await self._at(reader, projection, key, query.at)
        await reserve_answer(request)
        found = await rows_of(projection, then, viewer, wanted)
        return page_response(projection, found, {"key": key, "version": then.version})

    async def _past_page(
        self, request: web.Request, reader: Reader, projection: AnyProjection, at: AtMoment | None, wanted: ListQuery
    ) -> web.Response | None:
        """A page of rows that need not be folded; None where it must be."""
        session = wanted.where[SESSION_KEY]
        if len(wanted.where) > 1 or not begins_by(projection, wanted.order):
            return None
        version = await version_at(reader.views.log, session, at)
        past = await past_rows(reader.views.log, reader.views.store, projection, session, version)
        if past is None:
            return None
        await reserve_answer(request)
        found = await list_page(reader.views, projection, reader.principal, wanted, past=past)
        return page_response(projection, found, {"key": session, "version": version})

    async def _difference(self, request: web.Request, reader: Reader) -> web.Response:
        (projection, key), query = _named(request, reader), difference_query(request)
        viewer = await viewer_of(reader.principal, reader.views.log, projection, key)
        moments = (
            await self._at(reader, projection, key, query.from_),
            await self._at(reader, projection, key, query.to),
        )
        await reserve_answer(request)
        patch = await difference_between(projection, moments, viewer)
        places = {"from": moments[0].version, "to": moments[1].version}
        about = {"view": projection.name, "key": key, **places, "patch": orjson.Fragment(patch)}
        return json_response(DocumentDifference.model_validate(about))

    async def _page(self, request: web.Request, reader: Reader) -> web.Response:
        projection, query = reader.views.named(request.match_info["view"]), rows_query(request)
        about = {"key": key_of(request, projection)} if "key" in request.match_info else {}
        wanted = list_query(projection, query, {SESSION_KEY: about["key"]} if about else {})
        await reserve_answer(request)
        return page_response(projection, await list_page(reader.views, projection, reader.principal, wanted), about)

    async def _at(self, reader: Reader, projection: AnyProjection, key: str, at: AtMoment | None) -> MomentRows:
        views = reader.views
        return await self._moments.at(reader.principal.tenant, views.log, views.store, projection, key, at)


def _named(request: web.Request, reader: Reader) -> tuple[AnyProjection, str]:
    projection = reader.views.named(request.match_info["view"])
    return projection, key_of(request, projection)
