"""Finding sessions: by title, labels, who takes part, status and time, in pages.

It reads two views. `facets` says which sessions have a label or a participant; if those are few, only they
are read. Otherwise the sessions are read in the order that was asked for, as `sessions` has them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from aiohttp import web
from pydantic import Field

from ...domain.concepts.lifecycle import LabelName, LabelValue, Title
from ...domain.envelope import timestamp
from ...domain.errors import Invalid
from ...domain.ids import Name
from ...domain.timestamps import Time
from ...projections.authoring.shape import Row, Shape
from ...projections.runner.time_slices import slices
from ...projections.views import facets, sessions
from ...projections.views.facets import of_label, of_participant
from ...projections.views.text import storable
from ..access.principal import Principal
from ..delivery.event_filter import matches_any
from ..protocol.queries import MAX_PAGE_ITEMS, Query, members_of, validated
from .listing import ListPage, ListQuery, PageBuilder, in_order, sort_key
from .page_cursor import PageCursor, read_cursor
from .reader import ViewReader

LABEL_PREFIX = "label."
MAX_CANDIDATES = 1_000
"""Up to so many sessions with a label or participant are read one by one."""
MAX_SESSIONS_READ = 20_000
"""Sessions that one request goes through at most."""
_PAGE_SESSIONS = 500
_AFTER_EVERY_ID = "~"  # behind every id


class SearchQuery(Query):
    """What sessions are looked for. All that is said must hold."""

    title: Title | None = None
    labels: Annotated[dict[LabelName, LabelValue], Field(max_length=8)] = {}
    with_: Annotated[Name | None, Field(alias="with")] = None
    status: Literal["open", "closed"] | None = None
    since: Time | None = None
    until: Time | None = None
    order: Literal["changed", "-changed", "opened", "-opened", "key", "-key"] = "-changed"
    after: PageCursor | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = 100

    @property
    def page(self) -> ListQuery:
        """Which page of them."""
        return ListQuery({}, self.order, self.after, self.limit)

    def fits(self, overview: Mapping[str, Any]) -> bool:
        """Whether a session is one of those that are looked for."""
        title, changed = overview["title"] or "", datetime.fromisoformat(overview["changed"])
        return (
            (self.title is None or self.title.casefold() in title.casefold())
            and (self.status is None or overview["status"] == self.status)
            and (self.with_ is None or self.with_ in overview["participants"])
            and all(overview["labels"].get(name) == value for name, value in self.labels.items())
            and (self.since is None or changed >= self.since)
            and (self.until is None or changed <= self.until)
        )


def search_query(request: web.Request) -> SearchQuery:
    """Read a search: `label.stage=planning` asks for sessions with that label."""
    members = members_of(request)
    labels = {
        name.removeprefix(LABEL_PREFIX): members.pop(name) for name in tuple(members) if name.startswith(LABEL_PREFIX)
    }
    if "labels" in members:
        raise Invalid("Say label.<name>=<value>, a parameter for each label.")
    return validated(SearchQuery, {**members, "labels": labels})


async def search(views: ViewReader, principal: Principal, query: SearchQuery) -> ListPage:
    """A page of the sessions that are looked for, and that the principal may read. Raises NotReady, BadCursor, and
    Invalid for a search that would have to go through too many."""
    await views.current(facets.name)
    await views.current(sessions.name)
    candidates = await _candidates(views, query)
    if candidates is None:
        return await _scan(views, principal, query)
    return await _of_few(views, principal, query, candidates)


async def _candidates(views: ViewReader, query: SearchQuery) -> list[str] | None:
    """The sessions that have the labels and the participant, if they are few."""
    labels = query.labels.items()
    wanted = [{"facet": of_label(name), "value": storable(value)} for name, value in labels]
    if query.with_ is not None:
        wanted.append({"facet": of_participant(query.with_)})
    few: set[str] | None = None
    for each in wanted:
        found = await views.store.find(facets.name, each, limit=MAX_CANDIDATES)
        if len(found.rows) < MAX_CANDIDATES:
            having = {row[0] for row in found.rows}
            few = having if few is None else few & having
    return None if few is None else sorted(few)


async def _of_few(views: ViewReader, principal: Principal, query: SearchQuery, candidates: list[str]) -> ListPage:
    """Look at each of these sessions."""
    found = await views.store.get(sessions.name, [(session,) for session in candidates])
    shape, page = found.build.shape, PageBuilder(query.page)
    rows = [row async for few in slices(found.rows) for row in few if _wanted(row, principal, query)]
    for row in await in_order([(sort_key(shape, row, query.order), row) for row in rows], query.page):
        page.add(shape, row, _document(row))
    return page.page(found.build.checkpoint.position)


async def _scan(views: ViewReader, principal: Principal, query: SearchQuery) -> ListPage:
    """Go through all sessions in their order."""
    page = PageBuilder(query.page)
    after: Sequence[Any] | None = None if query.after is None else read_cursor(query.after, query.order)
    read = 0
    if after is None and query.until is not None and query.order == "-changed":
        after = [timestamp(query.until), _AFTER_EVERY_ID]
    while True:
        found = await views.store.find(sessions.name, {}, order=query.order, after=after, limit=_PAGE_SESSIONS)
        shape = found.build.shape
        async for few in slices(found.rows):
            for row in few:
                if _wanted(row, principal, query):
                    page.add(shape, row, _document(row))
        read += len(found.rows)
        ended = not found.more or _is_past(shape, found.rows[-1], query)
        if ended or page.full or read >= MAX_SESSIONS_READ:
            break
        after = sort_key(shape, found.rows[-1], query.order)
    if not page.rows and not ended:
        raise Invalid(f"None of the first {read} sessions is one; narrow the search, or begin it elsewhere by `until`.")
    return page.page(found.build.checkpoint.position, more=not ended)


def _document(row: Row) -> bytes:
    return bytes(row[2])


def _wanted(row: Row, principal: Principal, query: SearchQuery) -> bool:
    return matches_any(row[0], principal.read) and query.fits(orjson.loads(row[2]))


def _is_past(shape: Shape, row: Row, query: SearchQuery) -> bool:
    """Whether nothing that comes after a row can have changed since."""
    if query.since is None or query.order != "-changed":
        return False
    last = sort_key(shape, row, query.order)[0]
    return datetime.fromisoformat(last) < query.since
