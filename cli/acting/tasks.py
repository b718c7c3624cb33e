"""`stenogram task`: the board of a session."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from ..options import PARTICIPANT, RECIPIENT, SESSION, NameType, Place, board_options, examples, json_option
from .gateway import acting, gateway_options, printed
from .values import value_of, whole_id

if TYPE_CHECKING:
    from ...client import Session
    from ...projections.views.tasks import TaskRow

STATUSES = ("open", "claimed", "completed", "failed", "cancelled")
COLUMNS = ("task", "status", "who", "attempt", "title", "last error")


@click.group(
    short_help="Create and list tasks.",
    epilog=examples("stenogram task list trip-7", "stenogram task create trip-7 'Find a hotel' --wait"),
)
def task() -> None:
    """Create and list the tasks of a session. `stenogram stop`, `steer` and `reroute` interrupt them."""


@task.command(
    short_help="Put a task on the board.",
    epilog=examples(
        'stenogram task create trip-7 \'Find a hotel\' --input \'{"kind": "hotel", "city": "Lisbon"}\'',
        "stenogram task create trip-7 'Find a hotel' --key hotel     once, however often it is asked for",
        "stenogram task create trip-7 'Find a hotel' --wait          and print what came of it",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.argument("title", metavar="TITLE")
@click.option("--input", metavar="JSON", help="What is to be done, for the agent: JSON, or a text.")
@click.option(
    "--key",
    "dedupe_key",
    type=NameType("key"),
    metavar="KEY",
    help="What it is for: a second one of this key is the first one.",
)
@click.option("--needs", multiple=True, metavar="TASK", help="A task that must be completed before; may be repeated.")
@click.option("--parent", metavar="TASK", help="The task that it is a part of.")
@click.option("--assignee", type=PARTICIPANT, metavar="PARTICIPANT", help="Who alone may claim it.")
@click.option(
    "--to", type=RECIPIENT, multiple=True, metavar="WHO", help="Who may see it: users, agents, a participant's id."
)
@click.option("--priority", type=int, default=0, metavar="N", help="The higher, the sooner it is claimed.")
@click.option("--attempts", "max_attempts", type=int, metavar="N", help="When so many came to nothing, it has failed.")
@click.option("--deadline", type=float, metavar="SECONDS", help="It has failed if it is not done by then.")
@click.option("--wait/--no-wait", default=False, help="Wait until it is completed, and print its output.")
@json_option
@gateway_options
async def create(
    session: str, title: str, input: str | None, wait: bool, as_json: bool, place: Place, **options: Any
) -> None:
    """Put a task on the board of a SESSION. Its id is printed. Agents claim it by the `kind` in its input, if they
    look for one."""
    given = None if input is None else value_of(input)
    names_others = options["needs"] or options["parent"]
    async with acting(place, session, follow=bool(names_others)) as here:
        id = await here.tasks.create(title, given, **_whole(here, options))
        if not wait:
            printed(as_json, id, session=session, task=id)
            return
        output = await here.tasks.result(id)
    import orjson

    printed(as_json, orjson.dumps(output).decode(), session=session, task=id, output=output)


def _whole(session: "Session", options: dict[str, Any]) -> dict[str, Any]:
    """The options with the whole ids of the tasks that they name."""
    known = list(session.tasks.known) if session.followed else []
    needs, parent = options["needs"], options["parent"]
    return {
        **options,
        "to": options["to"] or None,
        "needs": [whole_id(each, "task", known) for each in needs],
        "parent": parent and whole_id(parent, "task", known),
    }


@task.command(
    name="list",
    short_help="List the tasks of a session.",
    epilog=examples("stenogram task list trip-7", "stenogram task list trip-7 --status failed --json | jq .last_error"),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@json_option
@board_options
def list_(session: str, status: str | None, as_json: bool, place: Place) -> None:
    """List the tasks of a SESSION, in the order in which they were created: of a log, or through a gateway."""
    rows = [row for row in asyncio.run(_rows(place, session)) if status in (None, row.status)]
    if as_json:
        for row in rows:
            click.echo(row.model_dump_json())
    elif rows:
        _print(rows)
    else:
        click.echo(f"No tasks{f' are {status}' if status else ''} in {session}.", err=True)


async def _rows(place: Place, session: str) -> "list[TaskRow]":
    from ...projections.views.tasks import TaskRow, tasks
    from ..source.open_source import open_source

    async with open_source(place) as source:
        await source.version(session)
        (rows,) = await source.views(session, [tasks])
        return [TaskRow.model_validate(row) for row in rows]


def _print(rows: "list[TaskRow]") -> None:
    from rich.table import Table

    from ..text.console import one_line, stdout
    from ..text.short_forms import short

    console = stdout()
    table = Table(*COLUMNS, box=None, header_style="dim", pad_edge=False)
    for row in rows:
        who = row.worker or (f"for {row.assignee}" if row.assignee else "")
        cells = [short(row.task), row.status, who, str(row.attempt or ""), one_line(row.title, 60)]
        cells.append(one_line(row.last_error or row.note or "", 80))
        if console.is_terminal:
            table.add_row(*cells)
        else:
            click.echo("\t".join((row.task, *cells[1:])))
    if console.is_terminal:
        console.print(table, soft_wrap=False)
