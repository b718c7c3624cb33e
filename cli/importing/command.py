"""`stenogram import`: bring exported sessions into a log."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import SESSION, Place, examples, log_option

if TYPE_CHECKING:
    from .checking import Findings
    from .import_entry import ImportEntry

    Read = Callable[[], Iterator[ImportEntry]]


@click.command(
    "import",
    short_help="Bring exported sessions into a log.",
    epilog=examples(
        "stenogram import trip.jsonl                          what `stenogram export` wrote",
        "stenogram import trip.jsonl --session trip-8         under another id",
        "stenogram export --all --log old.db | stenogram import - --log new.db",
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option("--session", type=SESSION, metavar="ID", help="The session's id; by default the file's own.")
@log_option
def import_(files: tuple[Path, ...], session: str | None, log: str) -> None:
    """Import events into a log.

    Files are JSONL as `stenogram export` writes it: events keep their ids, times, actors and bytes, and get new
    positions. Records of other systems must be converted to it first; examples/recordings shows how.

    Everything is checked before anything is written: one bad line, and nothing is imported. Importing the same
    again changes nothing. - reads stdin.

    A file that a gateway has open is refused; stop the gateway first. A log in PostgreSQL is not: see that nobody
    writes to these sessions meanwhile, or the import stops at the first event whose place is taken.
    """
    with ExitStack() as stack:
        paths = [(str(file), _seekable(file, stack)) for file in files]
        reads = [_reader(name, path, session) for name, path in paths]
        findings = asyncio.run(_import(Place(log).address, lambda: chain.from_iterable(read() for read in reads)))
    _say(findings)


def _seekable(file: Path, stack: ExitStack) -> Path:
    """The file itself, or what stdin says, in a file: it is read twice."""
    if str(file) != "-":
        return file
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stenogram-")))
    with (folder / "stdin").open("wb") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    return folder / "stdin"


def _reader(name: str, path: Path, session: str | None) -> "Read":
    def read() -> "Iterator[ImportEntry]":
        from .jsonl import read_entries

        with path.open("rb") as lines:
            yield from _renamed(read_entries(lines, name), session)

    return read


def _renamed(entries: "Iterator[ImportEntry]", session: str | None) -> "Iterator[ImportEntry]":
    """The entries under the session's new id, which makes sense for one session only."""
    from ...domain.errors import Invalid

    first = None
    for entry in entries:
        first = first or entry.event.session
        if session is not None and entry.event.session != first:
            raise Invalid(f"{entry.origin}: --session names one session, and the file holds more; leave it out.")
        yield entry if session is None else entry._replace(event=entry.event._replace(session=session))


async def _import(address: str, entries: "Read") -> "Findings":
    from ...log.log import Log
    from ...log.memory import MemoryEngine
    from ...log.storage import Storage
    from ..text.console import progress
    from .checking import check
    from .writing import write

    storage = Storage(address)
    if storage.file is not None and not storage.file.exists():
        # A log that is not there yet is not made for something that cannot be imported.
        async with Log(MemoryEngine()) as empty:
            await check(empty, entries(), lambda _: None)
    async with Log(storage.engine()) as log:
        with progress("checking", None) as bar:
            findings = await check(log, entries(), bar.advance)
        with progress("importing", findings.new) as bar:
            await write(log, entries(), findings.heads, bar.advance)
    return findings


def _say(findings: "Findings") -> None:
    sessions = f"{len(findings.heads)} session{'' if len(findings.heads) == 1 else 's'}"
    if findings.new:
        known = f"; {findings.known:,} were there already" if findings.known else ""
        click.echo(f"Imported {findings.new:,} events of {sessions}{known}.")
    else:
        click.echo(f"Nothing new: all {findings.known:,} events of {sessions} are in the log already.")
