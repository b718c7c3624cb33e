"""`stenogram view`: what a view holds of a session, now or at any moment, and what changed between two.

A gateway is asked for what it serves, your own views among it. Of a log at rest the view is folded here from the
session's events, so it needs no gateway and no stored view.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .options import SESSION, Place, examples, json_option, source_options
from .results import result_of

if TYPE_CHECKING:
    from ..projections.authoring.projection import AnyProjection
    from .source.port import AtMoment


class MomentType(click.ParamType["int | datetime"]):
    """A version of a session, or a time."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "AtMoment":
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
        "stenogram view trip-7 budget --log http://127.0.0.1:8600     a view of yours that the gateway serves",
        "stenogram view trip-7 budget --projection my_app.views:budget     folded here",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.argument("view", metavar="VIEW")
@click.option("--at", type=MOMENT, metavar="MOMENT", help="As it was at a version or a time.")
@click.option("--since", type=MOMENT, metavar="MOMENT", help="What has changed since then, as a JSON Patch.")
@click.option(
    "--projection",
    "names",
    multiple=True,
    metavar="MODULE:ATTRIBUTE",
    help="Where projections of your own are, to fold here what is not served.",
)
@json_option
@source_options
def view(
    session: str,
    view: str,
    at: "AtMoment | None",
    since: "AtMoment | None",
    names: tuple[str, ...],
    as_json: bool,
    place: Place,
) -> None:
    """Show what a view holds of a session: a document, or rows as a list; with --json one row a line, and of what has
    changed one operation a line. A gateway is asked for any view that it serves; with a view that is not kept by
    session, say its key in place of SESSION."""
    import orjson

    from .source.port import json_value

    then, now = result_of(_values(view, names, place, session, since, at))
    then, shown = json_value(then), json_value(now)
    if since is not None:
        from ..domain.json.diff import difference

        shown = difference(then, shown)
    if not as_json:
        click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
        return
    for each in shown if isinstance(shown, list) else [shown]:
        click.echo(orjson.dumps(each).decode())


def _projection(view: str, names: Sequence[str]) -> "AnyProjection":
    from ..domain.errors import Invalid, NotFound

    known = _known(names)
    if view not in known:
        raise NotFound(
            f"There is no projection {view!r} here; there are {', '.join(known)}. One of yours is found by "
            f"--projection MODULE:ATTRIBUTE, or at the gateway that serves it (--log http://…)."
        )
    if known[view].key != "session":
        raise Invalid(f"{view} is not kept by session; ask the gateway for it, with --log http://… and its key.")
    return known[view]


def _known(names: Sequence[str]) -> "dict[str, AnyProjection]":
    from ..api.views.storage import make_projections

    return {each.name: each for each in make_projections("", names)}


async def _values(
    view: str, names: Sequence[str], place: Place, session: str, since: "AtMoment | None", at: "AtMoment | None"
) -> tuple[Any, Any]:
    """What the view held at two moments; the first is not looked at without `since`."""
    async with _reader(view, names, place, session) as read:
        now = await read(at)
        return None if since is None else await read(since), now


@asynccontextmanager
async def _reader(
    view: str, names: Sequence[str], place: Place, session: str
) -> "AsyncIterator[Callable[[AtMoment | None], Awaitable[Any]]]":
    """Reads the view at a moment: where it is served, or else by folding it here."""
    from .source.open_source import open_source
    from .source.port import reached_version

    async def folded(at: "AtMoment | None") -> Any:
        await reached_version(source, session, at if isinstance(at, int) else None)
        (value,) = await source.views(session, [projection], at)
        return value

    if place.is_gateway and not names:
        from .source.gateway import GatewaySource

        async with GatewaySource(place) as gateway:
            if view in await gateway.served() or view not in _known(()):
                yield lambda at: gateway.view(view, session, at)
                return
    projection = _projection(view, names)
    async with open_source(place) as source:
        yield folded
