"""`stenogram sessions`: what a log holds."""

import asyncio
from typing import TYPE_CHECKING

import click

from .options import Place, examples, json_option, source_options

if TYPE_CHECKING:
    from .source.port import Summary


@click.command(
    short_help="List the sessions of a log.",
    epilog=examples(
        "stenogram sessions",
        "stenogram sessions --prefix trip- --log team.db",
        "stenogram sessions --json --log http://127.0.0.1:8600",
    ),
)
@click.option("--prefix", default="", metavar="TEXT", help="Only sessions whose id begins so.")
@json_option
@source_options
def sessions(prefix: str, as_json: bool, place: Place) -> None:
    """List sessions, by id, with the number of their events."""
    found = asyncio.run(_list(place, prefix))
    if as_json:
        _print_json(found)
    elif found:
        _print_table(found)
    else:
        click.echo("No sessions." if not prefix else f"No sessions begin with {prefix}.", err=True)


async def _list(place: Place, prefix: str) -> "list[Summary]":
    from .source.open_source import open_source

    async with open_source(place) as source:
        return [summary async for summary in source.sessions(prefix)]


def _print_json(found: "list[Summary]") -> None:
    import orjson

    for summary in found:
        click.echo(orjson.dumps(summary._asdict()).decode())


def _print_table(found: "list[Summary]") -> None:
    from rich.table import Table

    from .text.console import one_line, stdout

    console = stdout()
    if not console.is_terminal:
        for each in found:
            click.echo(f"{each.session}\t{each.version}\t{each.status}\t{one_line(each.title or '')}")
        return
    table = Table("session", "events", "status", "title", "labels", box=None, header_style="dim", pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[1].justify = "right"
    for each in found:
        labels = " ".join(f"{name}={value}" for name, value in each.labels.items())
        status = "[green]open[/]" if each.status == "open" else f"[dim]{each.status}[/]"
        table.add_row(each.session, f"{each.version:,}", status, one_line(each.title or "", 60), one_line(labels, 40))
    console.print(table, soft_wrap=False, markup=True)
