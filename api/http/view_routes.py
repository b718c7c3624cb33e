"""The HTTP routes for views."""

from typing import Any

import orjson
from aiohttp import web

from ...domain.errors import BadCursor, Invalid, NotFound
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.health import Health, healths
from ...projections.views import sessions
from ..access.auth import Authenticator
from ..access.principal import Principal
from ..tenants import Tenants
from ..transport.sse import SSE, SseServer
from ..views.access import SESSION, by_session, viewer_of, viewer_of_all
from ..views.listing import Listed, Wanted, listed, natural
from ..views.past import changed, document_of, moment, rows_of
from ..views.rendering import etag_of, render_rows
from ..views.search import search, search_query
from ..views.service import ViewService
from .responses import json_response
from .session_queries import no_query
from .view_queries import RowsQuery, ViewQuery, difference_query, key_of, rows_query, typed, view_query


class ViewRoutes:
    """Handlers of the routes for views."""

    def __init__(self, tenants: Tenants, auth: Authenticator, streams: SseServer) -> None:
        self._tenants = tenants
        self._auth = auth
        self._streams = streams

    async def views(self, request: web.Request) -> web.Response:
        """`GET /v1/views`: which views there are, and how far each of their builds is."""
        _, views = await self._enter(request)
        no_query(request)
        found = await healths(views.log, views.store, retired=True) if views.projections else []
        described = [{**_described(each), **_told(each, found)} for each in views.projections.values()]
        return json_response({"views": described})

    async def listing(self, request: web.Request) -> web.Response:
        """`GET /v1/views/{view}`: a page of it, of all sessions."""
        principal, views = await self._enter(request)
        projection, query = views.named(request.match_info["view"]), rows_query(request)
        if query.at is not None:
            raise Invalid("A moment is one of a session; name the session in the path.")
        if not by_session(projection):
            viewer_of_all(principal, projection)
        await _arrive(views, projection, query)
        found = await listed(views, projection, principal, _wanted(projection, query, {}))
        return _page(projection, found, {})

    async def one(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/views/{view}/{key}`: a document, or a page of a session's rows; now or at a moment; or a stream of
        a document's changes."""
        principal, views = await self._enter(request)
        projection = views.named(request.match_info["view"])
        key = key_of(request, projection)
        viewer = await viewer_of(principal, views.log, projection, key)
        if SSE in request.headers.get("Accept", ""):
            no_query(request)
            return await self._streams.watch_document(request, principal, views.document(projection.name), key)
        if not isinstance(projection, DocProjection):
            return await self._rows(request, views, projection, principal, key)
        query = view_query(request)
        await _arrive(views, projection, query)
        if query.at is not None:
            then = await moment(views, projection, key, query.at)
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
        moments = (await moment(views, projection, key, query.from_), await moment(views, projection, key, query.to))
        patch = changed(projection, moments, viewer)
        places = {"from": moments[0].version, "to": moments[1].version}
        return json_response({"view": projection.name, "key": key, **places, "patch": patch})

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
        wanted, about = _wanted(projection, query, {SESSION: key}), {"key": key}
        if query.at is None:
            return _page(projection, await listed(views, projection, principal, wanted), about)
        then = await moment(views, projection, key, query.at)
        found = rows_of(projection, then, await principal.viewer(views.log, key), wanted)
        return _page(projection, found, {**about, "version": then.version})

    async def _enter(self, request: web.Request) -> tuple[Principal, ViewService]:
        principal = self._auth.of_request(request)
        return principal, (await self._tenants.of(principal.tenant)).views


def _described(projection: AnyProjection) -> dict[str, Any]:
    shape = projection.shape
    return {
        "view": projection.name,
        "version": projection.version,
        "keeps": "documents" if isinstance(projection, DocProjection) else "rows",
        "by_session": by_session(projection),
        "search": sorted({*shape.key, *[name for index in shape.indexes for name in index]}),
    }


def _told(projection: AnyProjection, found: list[Health]) -> dict[str, Any]:
    """How the build is that readers see, and each of the view's builds. What is wrong with one may say what not
    everyone may know, and is left out."""
    own = [each for each in found if each.build.name == projection.name]
    current = next((_state(each) for each in own if each.build.state == "current"), {})
    builds = [{"build": each.build.id, "version": each.build.version, **_progress(each)} for each in own]
    return {**current, "builds": builds}


def _progress(health: Health) -> dict[str, Any]:
    remaining = {} if health.remaining is None else {"remaining": round(health.remaining, 1)}
    return {"state": health.build.state, "rate": round(health.build.rate), **remaining, **_state(health)}


def _state(health: Health) -> dict[str, Any]:
    return {
        "position": health.build.checkpoint.position,
        "behind": health.behind,
        "parked": health.build.parked,
        "health": health.verdict,
    }


def _wanted(projection: AnyProjection, query: RowsQuery, fixed: dict[str, Any]) -> Wanted:
    order = natural(projection) if fixed and query.order is None else query.order or ""
    return Wanted({**typed(projection.shape, query.where), **fixed}, order, query.after, query.limit)


async def _arrive(views: ViewService, projection: AnyProjection, query: ViewQuery) -> None:
    """Wait until the view has come as far as the reader asks; a moment is folded from the log itself. Raises BadCursor
    and NotReady."""
    if query.min_position > views.log.position:
        await views.log.look()  # another process may have told of it before this one has heard
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
    head = orjson.dumps({"view": projection.name, "key": key, **place})
    return web.Response(body=b'%s,"value":%s}' % (head[:-1], value), content_type="application/json", headers=headers)


def _page(projection: AnyProjection, found: Listed, about: dict[str, Any]) -> web.Response:
    head = orjson.dumps({"view": projection.name, **about, "position": found.position})
    if isinstance(projection, DocProjection):
        shown = [b'{"key":%s,"value":%s}' % (orjson.dumps(row[0]), text) for row, text in found.rows]
        body = b'"documents":[%s]' % b",".join(shown)
    else:
        body = b'"rows":[%s]' % b",".join([text for _, text in found.rows])
    rest = b"" if found.next is None else b',"next":%s' % orjson.dumps(found.next)
    return web.Response(body=b"%s,%s%s}" % (head[:-1], body, rest), content_type="application/json")
