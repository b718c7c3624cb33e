"""`stenogram export`: sessions as JSON lines, or one as a page."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from ..options import SESSION, Place, examples, source_options

if TYPE_CHECKING:
    from ..source.port import Source


@click.command(
    short_help="Write sessions as JSON lines.",
    epilog=examples(
        "stenogram export trip-7 -o trip-7.jsonl",
        "stenogram export trip-7 --html -o trip-7.html       a page that replays it, offline",
        "stenogram export --all --log team.db | gzip > team.jsonl.gz",
        "stenogram export trip-7 trip-8 --log http://127.0.0.1:8600 --as maya",
    ),
)
@click.argument("sessions", nargs=-1, type=SESSION, metavar="SESSION…")
@click.option("--all", "everything", is_flag=True, help="Every session, in the order in which things happened.")
@click.option("--html", "as_html", is_flag=True, help="Write one session as a page that replays it without a gateway.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file, which is whole or not there; by default to stdout.",
)
@source_options
def export(sessions: tuple[str, ...], everything: bool, as_html: bool, output: Path | None, place: Place) -> None:
    """Export sessions as JSONL: one event a line, exactly as it goes over the wire.

    `stenogram import` reads it back. From a gateway one gets what one may see there; from a file, all. With --all a
    fork begins where it leaves its origin; a fork that is named is exported from its first event, and behind its
    origin if that is named, too.

    With --html a session becomes one file to send: the console's screen of it, from the first event to the last, with
    everything that it needs. It is opened in a browser, and asks nobody for anything. It holds all that was exported,
    and says as whom that was, so send it to those who may see that.
    """
    if as_html and (everything or len(sessions) != 1):
        raise click.UsageError("--html is for one session; name it.")
    if everything == bool(sessions):
        raise click.UsageError("Name the sessions to export, or --all.")
    if output is None and sys.stdout.isatty():
        click.echo("stenogram: writing to the terminal; -o FILE writes to a file.", err=True)
    with _opened(output) as file:
        work = (
            _export_page(place, sessions[0], file) if as_html else _export(place, tuple(dict.fromkeys(sessions)), file)
        )
        count = asyncio.run(work)
    if output is not None:
        click.echo(f"Exported {count:,} events to {output}.", err=True)


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Where to write. A file gets its name when it is complete; what is no file (a pipe, a device) is written to."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    output = output.resolve()
    if output.exists() and not output.is_file():
        with output.open("wb") as file:
            yield file
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)


async def _export(place: Place, sessions: tuple[str, ...], file: BinaryIO) -> int:
    from ..source.open_source import open_source
    from ..text.console import progress

    count = 0
    async with open_source(place) as source:
        with progress("exporting", await _total(source, sessions)) as bar:
            ordered = await _ordered(source, sessions)
            for pages in [source.read(session, 0) for session in ordered] or [source.read_all()]:
                async for page in pages:
                    file.write(b"\n".join((*page, b"")))
                    count += len(page)
                    bar.advance(len(page))
    return count


async def _export_page(place: Place, session: str, file: BinaryIO) -> int:
    from ..source.open_source import open_source
    from ..text.console import progress
    from .page import as_page
    from .recording import Recording

    recording = Recording(session)
    async with open_source(place) as source:
        with progress("exporting", await source.version(session)) as bar:
            async for page in source.read(session, 0):
                recording.add(page)
                bar.advance(len(page))
    file.write(as_page(session, recording.title, recording.json(datetime.now(UTC), place.reader)))
    return len(recording)


async def _total(source: "Source", sessions: tuple[str, ...]) -> int | None:
    """How many events there are to export; of a whole log, nobody says. Raises NotFound before anything is written."""
    return sum([await source.version(session) for session in sessions]) if sessions else None


async def _ordered(source: "Source", sessions: tuple[str, ...]) -> list[str]:
    """The sessions as they were named, but for forks, which come behind what they were forked from: so they can be
    imported as such."""
    if len(sessions) < 2:
        return list(sessions)
    origins = {session: await source.origins(session) for session in sessions}
    ordered: dict[str, None] = {}

    def add(session: str) -> None:
        for origin in origins.get(session, ()):
            add(origin)
        if session in origins:
            ordered[session] = None

    for session in sessions:
        add(session)
    return list(ordered)
