"""Views folded from events, where nobody keeps them: a log at rest, or a gateway without them."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from ...domain.envelope import parse
from ...domain.model import Event
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.folding import Fold
from .port import AtMoment, Page


async def fold_views(
    pages: AsyncIterator[Page], projections: Sequence[AnyProjection], at: AtMoment | None
) -> list[Any]:
    """What the projections come to at a moment, as `Source.views` says. Raises FoldFailed."""
    folds = [Fold(each) for each in projections]
    async for event in events_until(pages, at):
        for fold in folds:
            fold.fold(event)
    return [_json_value(*each) for each in zip(projections, folds, strict=True)]


async def events_until(pages: AsyncIterator[Page], at: AtMoment | None) -> AsyncIterator[Event]:
    """The events up to a moment."""
    async for page in pages:
        for wire in page:
            event = parse(wire)
            if at is not None and (event.version > at if isinstance(at, int) else event.time > at):
                return
            yield event


def _json_value(projection: AnyProjection, fold: Fold[Any, Any]) -> Any:
    values = fold.values()
    if isinstance(projection, DocProjection):
        return next((each.model_dump(mode="json", by_alias=True) for each in values.values()), None)
    first = projection.shape.session_order
    rows = [each.model_dump(mode="json") for _, each in sorted(values.items())]
    return sorted(rows, key=lambda row: (row[first] is not None, row[first])) if first else rows
