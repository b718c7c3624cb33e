"""The HTTP route for a window of a session's timeline, of any length: what is there to be drawn, and no more.

The window is cut into stretches of the same length, and of each come the spans that begin first in it, up to its share;
and, of those that began before the window, the newest that reach into it. So a window costs the same in a session of a
million spans as in one of a thousand. Where spans were left out, `activity` says how much there was.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field, model_validator

from ....domain.audience import Viewer
from ....domain.envelope import timestamp
from ....domain.timestamps import Time
from ....projections.authoring.shape import Row
from ....projections.runner.time_slices import slices
from ....projections.store import Sample
from ....projections.views import timeline
from ...access.tokens import Authenticator
from ...protocol.queries import Query, members_of, validated
from ...tenants.tenants import Tenants
from ...transport.answer_budget import reserve_answer
from ...views.access import SESSION_KEY, viewer_of
from ...views.rendering import render_rows
from ..responses import spliced_response
from ..view_answers import TimelineWindow
from ..view_queries import key_of

MAX_SPANS = 4_000
BEFORE = 300
"""Spans ahead of the window that are looked through for those that reach into it."""
_STRETCHES = 200
_RENDERED = 8


class WindowQuery(Query):
    """A window of time, and how many spans of it are wanted, at most."""

    from_: Annotated[Time, Field(alias="from")]
    to: Time
    spans: Annotated[int, Field(ge=1, le=MAX_SPANS)] = 1_000

    @model_validator(mode="after")
    def _is_a_window(self) -> "WindowQuery":
        if self.from_ >= self.to:
            raise ValueError("`from` should be before `to`")
        return self

    def edges(self) -> list[datetime]:
        """Where each stretch begins, and the end of the last."""
        count = min(_STRETCHES, self.spans)
        step = (self.to - self.from_) / count
        return [*(self.from_ + step * number for number in range(count)), self.to]


class TimelineRoutes:
    """The handler of the route."""

    def __init__(self, tenants: Tenants, auth: Authenticator) -> None:
        self._tenants = tenants
        self._auth = auth

    async def window(self, request: web.Request) -> web.Response:
        """`GET /v1/views/timeline/{key}/window`: spans of a window of time."""
        principal = self._auth.of_request(request)
        views = (await self._tenants.of_request(request, principal)).views
        projection = views.named(timeline.name)
        key = key_of(request, projection)
        viewer = await viewer_of(principal, views.log, projection, key)
        query = validated(WindowQuery, members_of(request))
        await reserve_answer(request)
        edges = query.edges()
        build = await views.current(projection.name)
        found = await views.store.sample(
            projection.name, {SESSION_KEY: key}, "began", edges, most=query.spans, before=BEFORE
        )
        rows, sampled = _to_draw(found, edges)
        answer = TimelineWindow(
            view=projection.name, key=key, position=build.checkpoint.position, sampled=sampled, rows=[]
        )
        return spliced_response(answer, "rows", await _rendered(found, rows, viewer))


async def _rendered(found: Sample, rows: Sequence[Row], viewer: Viewer) -> list[bytes]:
    """What the viewer may see of the rows."""
    texts: list[bytes] = []
    async for few in slices(rows, _RENDERED):
        texts += [each for each in render_rows(timeline, found.build, few, viewer) if each is not None]
    return texts


def _to_draw(found: Sample, edges: Sequence[datetime]) -> tuple[list[Row], bool]:
    """The rows that are in the window, and whether some of it were left out."""
    columns = [column.name for column in found.build.shape.columns]
    ended, lane = columns.index("ended"), columns.index("lane")
    begin = timestamp(edges[0])  # as times are stored: they can be compared
    rows = [row for row in found.ahead[::-1] if row[ended] is None or row[ended] >= begin]
    for number, (stretch, end) in enumerate(zip(found.stretches, edges[1:], strict=True)):
        full = number in found.full
        # A span of presence ends where the participant's next one begins. That may have been left out here.
        until = timestamp(end)
        rows += [
            (*row[:ended], until, *row[ended + 1 :]) if full and row[lane] == "presence" else row for row in stretch
        ]
    return rows, bool(found.full)
