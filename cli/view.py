"""`stenogram view`: what a view holds of a session, now or at any moment, and what changed between two.

It is folded here from the session's events, so it needs no gateway and no stored view; of a gateway one sees what the
events that it shows come to.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .options import SESSION, Place, examples, json_option, reading

if TYPE_CHECKING:
    from ..domain.model import Event
    from ..projections.authoring.projection import AnyProjection
    from ..projections.folding import Fold

Moment = int | datetime


class MomentType(click.ParamType[Moment]):
    """A version of a session, or a time."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Moment:
        if isinstance(value, int | datetime):
            return value
        if str(value).isdecimal():
            return int(value)
        try:
            time = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a version nor a time such as 2026-01-31T12:00:00Z.", param, ctx)
        return time if time.tzinfo else time.replace(tzinfo=UTC)


MOMENT = MomentType()


@click.command(
    short_help="Show what a view holds of a session, at any moment.",
    epilog=examples(
        "stenogram view trip-7 agents",
        "stenogram view trip-7 tasks --at 120",
        "stenogram view trip-7 state --since 2026-01-31T12:00:00Z     what has changed since",
        "stenogram view trip-7 budget --projection my_app.views:budget",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.argument("view", metavar="VIEW")
@click.option("--at", type=MOMENT, metavar="MOMENT", help="As it was at a version or a time.")
@click.option("--since", type=MOMENT, metavar="MOMENT", help="What has changed since then, as a JSON Patch.")
@click.option(
    "--projection", "names", multiple=True, metavar="MODULE:ATTRIBUTE", help="Where projections of your own are."
)
@json_option
@reading
def view(
    session: str,
    view: str,
    at: Moment | None,
    since: Moment | None,
    names: tuple[str, ...],
    as_json: bool,
    place: Place,
) -> None:
    """Show what a view holds of a session: a document, or rows as a list."""
    import orjson

    projection = _projection(view, names)
    then, now = asyncio.run(_moments(projection, place, session, since, at))
    told = now
    if since is not None:
        from ..domain.json.diff import difference

        told = difference(then, now)
    option = 0 if as_json else orjson.OPT_INDENT_2
    click.echo(orjson.dumps(told, option=option).decode())


def _projection(view: str, names: Sequence[str]) -> "AnyProjection":
    from ..api.views.storage import make_projections
    from ..domain.errors import Invalid, NotFound

    known = {each.name: each for each in make_projections("", names)}
    if view not in known:
        raise NotFound(f"There is no projection {view!r} here; there are {', '.join(known)}.")
    if known[view].key != "session":
        raise Invalid(f"{view} is not kept by session; ask the gateway for it.")
    return known[view]


async def _moments(
    projection: "AnyProjection", place: Place, session: str, since: Moment | None, at: Moment | None
) -> tuple[Any, Any]:
    """What the view held at two moments."""
    from ..domain.errors import BadCursor
    from ..projections.folding import Fold
    from .source.choosing import open_source

    fold, then = Fold(projection), None
    async with open_source(place) as source:
        version = await source.version(session)
        if late := [each for each in (since, at) if isinstance(each, int) and each > version]:
            raise BadCursor(f"Session {session!r} stands at version {version}; {late[0]} is not reached yet.")
        taken = since is None
        async for event in _events(source.read(session, 0)):
            if not taken and _is_after(event, since):
                then, taken = _plain(projection, fold), True
            if _is_after(event, at):
                break
            fold.take(event)
    now = _plain(projection, fold)
    return (then if taken else now), now


async def _events(pages: AsyncIterator[list[bytes]]) -> "AsyncIterator[Event]":
    from ..domain.envelope import parse

    async for page in pages:
        for wire in page:
            yield parse(wire)


def _is_after(event: "Event", moment: Moment | None) -> bool:
    if moment is None:
        return False
    return event.version > moment if isinstance(moment, int) else event.time > moment


def _plain(projection: "AnyProjection", fold: "Fold[Any, Any]") -> Any:
    """A document, or rows in the order in which a gateway shows those of a session."""
    from ..api.views.listing import default_order
    from ..projections.authoring.document import DocProjection

    values = fold.values()
    if isinstance(projection, DocProjection):
        return next((each.model_dump(mode="json", by_alias=True) for each in values.values()), None)
    first = default_order(projection)
    rows = [each.model_dump(mode="json") for _, each in sorted(values.items())]
    return sorted(rows, key=lambda row: (row[first] is not None, row[first])) if first else rows
