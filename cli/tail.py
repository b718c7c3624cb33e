"""`stenogram tail`: what just happened, and what happens."""

import asyncio
from typing import TYPE_CHECKING

import click

from .options import SESSION, Place, examples, json_option, source_options
from .text.event_choice import EventChoice, event_choice_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .source.port import Page, Source

LAST_EVENTS = 10


@click.command(
    short_help="Follow a session, or the whole log, live.",
    epilog=examples(
        "stenogram tail trip-7                           its last events, then live",
        "stenogram tail trip-7 --after 0 --no-follow     all of it, and done",
        "stenogram tail --types message.*,state.* --folded   what every team says and changes",
        "stenogram tail --json | jq .type                for programs",
        "stenogram tail trip-7 --log http://127.0.0.1:8600 --as maya",
    ),
)
@click.argument("session", required=False, type=SESSION, metavar="[SESSION]")
@click.option("--after", metavar="PLACE", help="Begin after this version (of a session) or cursor (of the log).")
@click.option(
    "-n", "--last", type=click.IntRange(min=0), help=f"Begin so many events before the end.  [default: {LAST_EVENTS}]"
)
@click.option("--follow/--no-follow", default=True, help="Go on with what happens, or stop at the end.")
@event_choice_options
@json_option
@source_options
def tail(
    session: str | None,
    after: str | None,
    last: int | None,
    follow: bool,
    choice: EventChoice,
    as_json: bool,
    place: Place,
) -> None:
    """Follow a SESSION, or the whole log, live.

    Reads a log at rest just as well, beside the process that writes it. Each line has the event's version in
    its session, the time, who did it, its type, and what it says.
    """

    if after is not None and last is not None:
        raise click.UsageError("--after and --last exclude each other.")
    if after is not None and session is not None and not after.isdecimal():
        raise click.UsageError("--after of a session is a version: 0, 1, 2 …")
    from .stdout_pipe import while_stdout_is_read

    work = _tail(place, session, after, LAST_EVENTS if last is None else last, follow, choice, as_json)
    asyncio.run(while_stdout_is_read(work))


async def _tail(
    place: Place, session: str | None, after: str | None, last: int, follow: bool, choice: EventChoice, as_json: bool
) -> None:
    from ..domain.envelope import parse
    from .source.open_source import open_source
    from .text.console import stdout
    from .text.event_lines import EventLines, write_raw

    console, lines = stdout(), EventLines(session_column=session is None)
    async with open_source(place) as source:
        async for page in await _pages(source, session, after, last, follow):
            if as_json and choice.everything:
                write_raw(page, console)
                continue
            wanted = [(wire, event) for wire in page if choice.wants(event := parse(wire))]
            if as_json:
                write_raw([wire for wire, _ in wanted], console)
            else:
                lines.print([event for _, event in wanted])


async def _pages(
    source: "Source", session: str | None, after: str | None, last: int, follow: bool
) -> "AsyncIterator[Page]":
    if session is None:
        return source.read_all(follow=follow, last=last) if after is None else source.read_all(after, follow=follow)
    begin = max(await source.version(session) - last, 0) if after is None else int(after)
    return source.read(session, begin, follow=follow)
