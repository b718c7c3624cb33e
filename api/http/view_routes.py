"""The HTTP routes of the views, under `/v1/views` and `/v1/search`. `Gateway.app` registers their paths."""

from typing import Any

import orjson
from aiohttp import web

from ...domain.errors import BadCursor, Invalid, NotFound
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.health import healths
from ...projections.views import sessions
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..protocol.queries import no_query
from ..tenants.tenants import Tenants
from ..transport.sse_server import EVENT_STREAM, SseServer
from ..views.access import SESSION_KEY, by_session, viewer_of, viewer_of_all
from ..views.listing import ListPage, ListQuery, list_page
from ..views.past import difference_between, document_of, fold_moment, rows_of
from ..views.rendering import etag_of, render_rows
from ..views.search import search, search_query
from ..views.service import ViewService
from .responses import json_response
from .view_answers import (
    DocumentAnswer,
    DocumentDifference,
    DocumentsPage,
    KeyedDocument,
    RowsPage,
    ViewsAnswer,
    describe,
)
from .view_queries import RowsQuery, ViewQuery, difference_query, key_of, rows_query, typed, view_query


class ViewRoutes:
    """Handlers of the routes for views."""

    def __init__(self, tenants: Tenants, auth: Authenticator, streams: SseServer) -> None:
        self._tenants = tenants
        self._auth = auth
        self._streams = streams

    async def list_views(self, request: web.Request) -> web.Response:
        """`GET /v1/views`: which views there are, and how far each of their builds is."""
        _, views = await self._enter(request)
        no_query(request)
        found = await healths(views.log, views.store, retired=True) if views.projections else []
        return json_response(ViewsAnswer(views=[describe(each, found) for each in views.projections.values()]))

    async def list_view(self, request: web.Request) -> web.Response:
        """`GET /v1/views/{view}`: a page of it, of all sessions."""
        principal, views = await self._enter(request)
        projection, query = views.named(request.match_info["view"]), rows_query(request)
        if query.at is not None:
            raise Invalid("A moment is one of a session; name the session in the path.")
        if not by_session(projection):
            viewer_of_all(principal, projection)
        await _arrive(views, projection, query)
        found = await list_page(views, projection, principal, _wanted(projection, query, {}))
        return _page(projection, found, {})

    async def show_key(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/views/{view}/{key}`: a document, or a page of a session's rows; now or at a moment; or a stream of
        a document's changes."""
        principal, views = await self._enter(request)
        projection = views.named(request.match_info["view"])
        key = key_of(request, projection)
        viewer = await viewer_of(principal, views.log, projection, key)
        if EVENT_STREAM in request.headers.get("Accept", ""):
            no_query(request)
            return await self._streams.follow_document(request, principal, views.followed(projection.name), key)
        if not isinstance(projection, DocProjection):
            return await self._rows(request, views, projection, principal, key)
        query = view_query(request)
        await _arrive(views, projection, query)
        if query.at is not None:
            then = await fold_moment(views, projection, key, query.at)
            place = {"version": then.version, "position": then.position}
            return _document(request, projection, key, place, document_of(projection, then, viewer))
        found = await views.get(projection, key)
        rendered = render_rows(projection, found.build, found.rows, viewer)
        place = {"position": found.build.checkpoint.position}
        return _document(request, projection, key, place, rendered[0] if rendered else None)

    async def difference(self, request: web.Request) -> web.Response:
        """`GET /v1/views/{view}/{key}/difference`: what changed between two moments."""
        principal, views = await self._enter(request)
        projection = views.named(request.match_info["view"])
        key = key_of(request, projection)
        viewer = await viewer_of(principal, views.log, projection, key)
        query = difference_query(request)
        moments = (
            await fold_moment(views, projection, key, query.from_),
            await fold_moment(views, projection, key, query.to),
        )
        patch = difference_between(projection, moments, viewer)
        places = {"from": moments[0].version, "to": moments[1].version}
        about = {"view": projection.name, "key": key, **places, "patch": orjson.Fragment(orjson.dumps(patch))}
        return json_response(DocumentDifference.model_validate(about))

    async def search(self, request: web.Request) -> web.Response:
        """`GET /v1/search`: sessions by title, labels, participant, status and time."""
        principal, views = await self._enter(request)
        views.named(sessions.name)
        found = await search(views, principal, search_query(request))
        return _page(sessions, found, {})

    async def _rows(
        self, request: web.Request, views: ViewService, projection: AnyProjection, principal: Principal, key: str
    ) -> web.Response:
        if not by_session(projection):
            raise Invalid(f"{projection.name} is not kept by session; search it without a key in the path.")
        query = rows_query(request)
        await _arrive(views, projection, query)
        wanted, about = _wanted(projection, query, {SESSION_KEY: key}), {"key": key}
        if query.at is None:
            return _page(projection, await list_page(views, projection, principal, wanted), about)
        then = await fold_moment(views, projection, key, query.at)
        found = rows_of(projection, then, await principal.viewer(views.log, key), wanted)
        return _page(projection, found, {**about, "version": then.version})

    async def _enter(self, request: web.Request) -> tuple[Principal, ViewService]:
        principal = self._auth.of_request(request)
        return principal, (await self._tenants.of_request(request, principal)).views


def _wanted(projection: AnyProjection, query: RowsQuery, fixed: dict[str, Any]) -> ListQuery:
    order = projection.shape.session_order if fixed and query.order is None else query.order or ""
    return ListQuery({**typed(projection.shape, query.where), **fixed}, order, query.after, query.limit)


async def _arrive(views: ViewService, projection: AnyProjection, query: ViewQuery) -> None:
    """Wait until the view has come as far as the reader asks; a moment is folded from the log itself. Raises BadCursor
    and NotReady."""
    if query.min_position > views.log.position:
        await views.log.catch_up()  # the client may have it from another process, and before this one has
    if query.min_position > views.log.position:
        raise BadCursor(f"The log ends at {views.log.position}; there is no position {query.min_position} yet.")
    if query.at is not None:
        return
    build = await views.store.current(projection.name)
    if build is None or build.checkpoint.position < query.min_position:
        await views.progress.reach(projection.name, query.min_position, query.wait)


def _document(
    request: web.Request, projection: AnyProjection, key: str, place: dict[str, Any], value: bytes | None
) -> web.Response:
    if value is None:
        raise NotFound(f"{projection.name} has nothing under {key!r}.")
    etag = etag_of(value)
    headers = {"ETag": f'W/"{etag}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if any(each.value in (etag, "*") for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    answer = DocumentAnswer(view=projection.name, key=key, value=orjson.Fragment(value), **place)
    return json_response(answer, headers)


def _page(projection: AnyProjection, found: ListPage, about: dict[str, Any]) -> web.Response:
    about = {"view": projection.name, **about, "position": found.position}
    if found.next is not None:
        about["next"] = found.next
    if isinstance(projection, DocProjection):
        documents = [KeyedDocument(key=row[0], value=orjson.Fragment(text)) for row, text in found.rows]
        return json_response(DocumentsPage(documents=documents, **about))
    return json_response(RowsPage(rows=[orjson.Fragment(text) for _, text in found.rows], **about))
