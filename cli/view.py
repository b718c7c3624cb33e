"""`stenogram view`: what a view holds of a session, now or at any moment, and what changed between two.

A gateway is asked for what it keeps. Of a log at rest the view is folded here from the session's events, so it needs
no gateway and no stored view.
"""

from collections.abc import Sequence
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
    changed one operation a line.
    """
    import orjson

    from .source.port import json_value

    projection = _projection(view, names)
    then, now = result_of(_values(projection, place, session, since, at))
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
    from ..api.views.storage import make_projections
    from ..domain.errors import Invalid, NotFound

    known = {each.name: each for each in make_projections("", names)}
    if view not in known:
        raise NotFound(f"There is no projection {view!r} here; there are {', '.join(known)}.")
    if known[view].key != "session":
        raise Invalid(f"{view} is not kept by session; ask the gateway for it.")
    return known[view]


async def _values(
    projection: "AnyProjection", place: Place, session: str, since: "AtMoment | None", at: "AtMoment | None"
) -> tuple[Any, Any]:
    """What the view held at two moments; the first is not looked at without `since`."""
    from .source.open_source import open_source
    from .source.port import reached_version

    async with open_source(place) as source:
        await reached_version(source, session, *[each for each in (since, at) if isinstance(each, int)])
        (now,) = await source.views(session, [projection], at)
        if since is None:
            return None, now
        (then,) = await source.views(session, [projection], since)
        return then, now
