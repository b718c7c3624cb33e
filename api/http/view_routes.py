"""The HTTP routes of the views, under `/v1/views` and `/v1/search`. `Gateway.app` registers their paths."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ...domain.errors import BadCursor, Invalid, NotFound
from ...log.log import Log
from ...projections.administration import promote, rebuild
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.health import healths
from ...projections.store import Build, ViewStore
from ...projections.views import sessions
from ..access.principal import Principal
from ..access.tokens import Authenticator
from ..delivery.lag import not_there
from ..liveness.open_request import OpenRequest
from ..protocol.queries import no_query
from ..tenants.tenants import Tenants
from ..transport.answer_budget import release_answer, reserve_answer
from ..transport.sse_connection import EVENT_STREAM
from ..transport.sse_server import SseServer
from ..views.access import SESSION_KEY, by_session, viewer_of, viewer_of_all
from ..views.listing import LargePage, ListQuery, list_page
from ..views.reader import ViewReader
from ..views.rendering import render_rows
from ..views.search import search, search_query
from ..views.service import ViewService
from .moments import LongReads
from .responses import json_response
from .view_answers import BuildAnswer, ViewsAnswer, build_of, describe
from .view_queries import ViewQuery, difference_query, key_of, rows_query, view_query
from .view_responses import document_response, list_query, page_response


class ViewRoutes:
    """Handlers of the routes for views."""

    def __init__(self, tenants: Tenants, auth: Authenticator, streams: SseServer, long_reads: LongReads) -> None:
        self._tenants = tenants
        self._auth = auth
        self._streams = streams
        self._long_reads = long_reads

    async def list_views(self, request: web.Request) -> web.Response:
        """`GET /v1/views`: which views there are, and how far each of their builds is."""
        _, views = await self._enter(request)
        no_query(request)
        found = await healths(views.log, views.store, retired=True) if views.projections else []
        return json_response(ViewsAnswer(views=[describe(each, found) for each in views.projections.values()]))

    async def list_view(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/views/{view}`: a page of it, of all sessions."""
        principal, views = await self._enter(request)
        projection, query = views.named(request.match_info["view"]), rows_query(request)
        if query.at is not None:
            raise Invalid("A moment is one of a session; name the session in the path.")
        if not by_session(projection):
            viewer_of_all(principal, projection)
        wanted = list_query(projection, query, {})
        await self._arrive(request, principal, projection, query)
        return await self._page(request, views, projection, principal, wanted, {})

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
        await self._arrive(request, principal, projection, query)
        if query.at is not None:
            return await self._long_reads.answer("view", request, principal)
        await reserve_answer(request)
        found = await views.get(projection, key)
        rendered = render_rows(projection, found.build, found.rows, viewer)
        place = {"position": found.build.checkpoint.position}
        value = rendered[0] if rendered else None
        if value is None and by_session(projection) and not await views.log.written_in(key):
            raise NotFound(f"There is no session {key!r}.")
        return document_response(request, projection, key, place, value)

    async def difference(self, request: web.Request) -> web.StreamResponse:
        """`GET /v1/views/{view}/{key}/difference`: what changed between two moments."""
        principal, views = await self._enter(request)
        projection = views.named(request.match_info["view"])
        key = key_of(request, projection)
        await viewer_of(principal, views.log, projection, key)
        difference_query(request)
        return await self._long_reads.answer("difference", request, principal)

    async def rebuild(self, request: web.Request) -> web.Response:
        """`POST /v1/views/{view}/rebuild`: begin a build beside the one that readers see."""
        return await self._operate(request, rebuild)

    async def promote(self, request: web.Request) -> web.Response:
        """`POST /v1/views/{view}/promote`: let readers see the newest build, once it has caught up."""
        return await self._operate(request, promote)

    async def _operate(
        self, request: web.Request, act: Callable[[Log, ViewStore, str], Awaitable[Build]]
    ) -> web.Response:
        principal, views = await self._enter(request)
        principal.require_operator()
        no_query(request)
        build = await act(views.log, views.store, views.named(request.match_info["view"]).name)
        found = await healths(views.log, views.store, retired=True)
        return json_response(BuildAnswer(view=build.name, build=build_of(found, build.id)))

    async def search(self, request: web.Request) -> web.Response:
        """`GET /v1/search`: sessions by title, labels, participant, status and time."""
        principal, views = await self._enter(request)
        views.named(sessions.name)
        query = search_query(request)
        await reserve_answer(request)
        return page_response(sessions, await search(views, principal, query), {})

    async def _rows(
        self, request: web.Request, views: ViewService, projection: AnyProjection, principal: Principal, key: str
    ) -> web.StreamResponse:
        if not by_session(projection):
            raise Invalid(f"{projection.name} is not kept by session; search it without a key in the path.")
        query = rows_query(request)
        await self._arrive(request, principal, projection, query)
        wanted = list_query(projection, query, {SESSION_KEY: key})
        if query.at is not None:
            return await self._long_reads.answer("view", request, principal)
        return await self._page(request, views, projection, principal, wanted, {"key": key})

    async def _page(
        self,
        request: web.Request,
        views: ViewReader,
        projection: AnyProjection,
        principal: Principal,
        wanted: ListQuery,
        about: dict[str, Any],
    ) -> web.StreamResponse:
        most = self._long_reads.most_here
        await reserve_answer(request, most)
        try:
            found = await list_page(views, projection, principal, wanted, most)
        except LargePage:
            release_answer(request)
            return await self._long_reads.answer("page", request, principal)
        return page_response(projection, found, about)

    async def _arrive(
        self, request: web.Request, principal: Principal, projection: AnyProjection, query: ViewQuery
    ) -> None:
        """Wait until the view has come as far as the reader asks, who is heard meanwhile."""
        tenant = await self._tenants.of_request(request, principal)
        with tenant.last_seen.hearing(principal.participant, OpenRequest(request), principal.run):
            await _arrive(tenant.views, projection, principal, query)

    async def _enter(self, request: web.Request) -> tuple[Principal, ViewService]:
        principal = self._auth.of_request(request)
        return principal, (await self._tenants.of_request(request, principal)).views


async def _arrive(views: ViewService, projection: AnyProjection, principal: Principal, query: ViewQuery) -> None:
    """Wait until the view has come as far as the reader asks; a moment is folded from the log itself. Raises BadCursor
    and NotReady, and Unauthenticated when the token expires first."""
    if query.min_position > views.log.position:
        await views.log.catch_up()  # the client may have it from another process, and before this one has
    if query.min_position > views.log.position:
        beyond = BadCursor(f"The log ends at {views.log.position}; there is no position {query.min_position} yet.")
        raise await not_there(views.log, beyond)
    if query.at is not None:
        return
    build = await views.store.current(projection.name)
    if build is None or build.checkpoint.position < query.min_position:
        try:
            await views.progress.reach(projection.name, query.min_position, principal.valid_for(query.wait))
        finally:
            principal.require_valid()
