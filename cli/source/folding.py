"""Views folded from events, where nobody keeps them: a log at rest, or a gateway without them."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from ...domain.envelope import parse
from ...domain.model import Event
from ...projections.authoring.document import DocProjection
from ...projections.authoring.meta import meta_of
from ...projections.authoring.projection import AnyProjection
from ...projections.folding import Fold
from .port import AtMoment, Page

_HEAD = re.compile(
    rb'\{"position":\d+,"session":"[^"]*","version":(\d+),"id":"[^"]*","type":"([^"]*)","time":"([^"]*)"'
)
"""What a wire form begins with: in this order, and of signs that need no escaping."""


async def fold_views(
    pages: AsyncIterator[Page], projections: Sequence[AnyProjection], at: AtMoment | None
) -> list[Any]:
    """What the projections come to at a moment, as `Source.views` says. Raises FoldFailed."""
    folds = [(each.handlers, Fold(each)) for each in projections]
    takers: dict[str, list[Fold[Any, Any]]] = {}

    def is_taken(type: str) -> bool:
        if type not in takers:
            takers[type] = [fold for handlers, fold in folds if handlers.of(type)]
        return bool(takers[type])

    async for events in events_until(pages, at, is_taken):
        for event in events:
            meta = meta_of(event, event.session)
            for fold in takers[event.type]:
                fold.fold_payload(event.data, meta)
    return [in_order(each, fold.values()) for each, (_, fold) in zip(projections, folds, strict=True)]


async def events_until(
    pages: AsyncIterator[Page], at: AtMoment | None, wanted: Callable[[str], bool]
) -> AsyncIterator[list[Event]]:
    """The events up to a moment, of the types that are wanted, page by page. The others, such as deltas, are not
    decoded."""
    known: dict[bytes, bool] = {}
    async for page in pages:
        events = list[Event]()
        for wire in page:
            found = _HEAD.match(wire)
            assert found is not None, "a wire form begins so"
            version, type, time = found.groups()
            if at is not None and _is_after(at, version, time):
                yield events
                return
            if type not in known:
                known[type] = wanted(type.decode())
            if known[type]:
                events.append(parse(wire))
        yield events


def _is_after(at: AtMoment, version: bytes, time: bytes) -> bool:
    return int(version) > at if isinstance(at, int) else datetime.fromisoformat(time.decode()) > at


def in_order(projection: AnyProjection, values: Mapping[Any, Any]) -> Any:
    """What a view holds of one session: its document, or None; or its rows in the session's order."""
    if isinstance(projection, DocProjection):
        return next(iter(values.values()), None)
    first = projection.shape.session_order
    rows = [each for _, each in sorted(values.items())]
    if not first:
        return rows
    keys = [(value is not None, value) for value in map(attrgetter(first), rows)]
    return [rows[number] for number in sorted(range(len(rows)), key=keys.__getitem__)]
