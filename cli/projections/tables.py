"""What the commands of `stenogram projections` print."""

from collections.abc import Mapping, Sequence

import click
import orjson
from rich.table import Table

from ...projections.health import Health
from ...projections.store import Build, Parked
from ...projections.verify import Verified
from ...projections.views import BUILT_IN
from ..text.console import one_line, stdout

COLOURS = {"healthy": "green", "degraded": "yellow", "unhealthy": "red"}


def show_builds(healths: Sequence[Health], as_json: bool) -> None:
    """Every build in a line."""
    rows = [_row(each) for each in healths]
    console = stdout()
    if as_json:
        for row in rows:
            click.echo(orjson.dumps(row).decode())
    elif not console.is_terminal:
        for row in rows:
            click.echo("\t".join(_shown(value) for value in row.values()))
    else:
        table = Table(*rows[0] if rows else (), box=None, header_style="dim", pad_edge=False)
        for row in rows:
            told = [_shown(value, 60) for value in row.values()]
            table.add_row(*told, style=COLOURS[str(row["health"])] if row["health"] != "healthy" else "")
        console.print(table, soft_wrap=False)


def show_troubles(healths: Sequence[Health], parked: Mapping[int, Sequence[Parked]], as_json: bool) -> bool:
    """What is wrong, and what to do; whether nothing is. As JSON: every build, and what is parked of it."""
    healthy = all(each.verdict == "healthy" for each in healths)
    if as_json:
        for each in healths:
            keys = [key._asdict() for key in parked.get(each.build.id, ())]
            click.echo(orjson.dumps({**_row(each), "keys": keys}).decode())
        return healthy
    for each in healths:
        if each.why:
            click.echo(one_line(f"{each.build.name}, build {each.build.id}: {each.verdict}: {each.why}"))
        for key in parked.get(each.build.id, ()):
            asked = f" ({key.wish} is under way)" if key.wish else ""
            click.echo(one_line(f"  {key.key}: {key.type} of session {key.session}, position {key.position}{asked}"))
            click.echo(one_line(f"    {key.error}", 400))
    _show_passed_over([each.build for each in healths if each.build.passed_over])
    if healthy:
        click.echo(f"All {len(healths)} views are healthy." if healths else "There are no views.")
    return healthy


def _show_passed_over(builds: Sequence[Build]) -> None:
    for each in builds:
        events = f"{each.passed_over:,} event{'' if each.passed_over == 1 else 's'}"
        click.echo(f"{each.name}, build {each.id}: passed over {events}, not for everyone in their session")
    if {each.name for each in builds} - {each.name for each in BUILT_IN}:
        click.echo("A projection of yours gets such events when it declares who sees what of them (`shown`).")


def show_verified(verified: Verified, as_json: bool) -> bool:
    """What came of a comparison; whether all is well. As JSON: a difference a line, and then the sum."""
    build = verified.build
    if as_json:
        for each in verified.differences:
            click.echo(orjson.dumps(each._asdict(), default=str).decode())
        about = {"view": build.name, "build": build.id, "position": build.checkpoint.position}
        click.echo(orjson.dumps({**about, "values": verified.values, "wrong": verified.wrong}).decode())
        return not verified.wrong
    for each in verified.differences:
        click.echo(one_line(f"{each.place}: stored {each.stored!r}, folded {each.folded!r}", 1_000))
    what = f"{verified.values:,} values of {build.name}, build {build.id}, up to position {build.checkpoint.position:,}"
    click.echo(f"{verified.wrong:,} of {what} are wrong." if verified.wrong else f"{what}: all as they should be.")
    return not verified.wrong


def _shown(value: object, most: int = 0) -> str:
    return "" if value is None else one_line(str(value), most)


def _row(health: Health) -> dict[str, object]:
    build = health.build
    return {
        "view": build.name,
        "version": build.version,
        "build": build.id,
        "state": build.state,
        "behind": health.behind,
        "rate": round(build.rate),
        "remaining": None if health.remaining is None else round(health.remaining, 1),
        "parked": build.parked,
        "passed_over": build.passed_over,
        "health": health.verdict,
        "why": health.why,
    }
