"""`stenogram import`: bring exported sessions into a log."""

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID, uuid5

import click

from ..options import SESSION, Place, examples, json_option, log_option

if TYPE_CHECKING:
    from .checking import Findings
    from .forks import Fork
    from .import_entry import ImportEntry

    Read = Callable[[], Iterator[ImportEntry]]

SHOWN_DEVIATIONS = 10
_COPIES = UUID("6e5f6f0c-5a31-4f43-9d0e-0a1f4cfa4f0b")
"""The namespace of ids that events get under another session's id."""


@click.command(
    "import",
    short_help="Bring exported sessions into a log.",
    epilog=examples(
        "stenogram import trip.jsonl                          what `stenogram export` wrote",
        "stenogram import trip.jsonl --session trip-8         under another id",
        "stenogram export --all --log old.db | stenogram import - --log new.db",
        "stenogram import claude-code ~/.claude/projects/-app     every session of a project",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="[FORMAT] FILE…")
@click.option(
    "--session", type=SESSION, metavar="ID", help="The session's id; by default the file's own. Events get new ids."
)
@click.option("--as-recorded", is_flag=True, help="Also import what the rules would not have written.")
@json_option
@log_option
def import_(files: tuple[str, ...], session: str | None, as_recorded: bool, as_json: bool, log: str) -> None:
    """Import events into a log.

    Files are JSONL as `stenogram export` writes it: events keep their ids, times, actors and bytes, and get new
    positions. Forks stay forks.

    FORMAT reads recordings of other systems: `claude-code` takes transcripts of Claude Code (*.jsonl, or folders of
    them) with those of their sub-agents, and packages can add formats. A file of that name is ./claude-code.

    Everything is checked before anything is written: one bad line, and nothing is imported. Importing the same
    again changes nothing. - reads stdin.

    What the rules would not have written is refused, such as a message whose text is not that of its deltas. With
    --as-recorded it is imported as it is, and the session gets the label `as-recorded`, which says how much of it.
    Lines of another format that cannot be read are kept as custom events then.

    A file that a gateway has open is refused; stop the gateway first. A log in PostgreSQL is not: see that nobody
    writes to these sessions meanwhile, or the import stops at the first event whose place is taken.
    """
    with ExitStack() as stack:
        paths = _converted(files, session, as_recorded, stack)
        reads = [_reader(name, path, session) for name, path in paths]
        forks = [fork for _, path in paths for fork in _forks(path, session)]
        source = _Source(lambda: chain.from_iterable(read() for read in reads), forks, as_recorded)
        findings = asyncio.run(_import(Place(log).address, source))
    (_print if as_json else _say)(findings)


class _Source(NamedTuple):
    """What is imported: its events, from the start each time; where there are forks; and whether all is taken."""

    read: "Read"
    forks: "list[Fork]"
    as_recorded: bool


def _converted(
    files: tuple[str, ...], session: str | None, as_recorded: bool, stack: ExitStack
) -> list[tuple[str, Path]]:
    """The files with their names: as they are, or one that has the events of recordings in another format."""
    from ...adapters.recordings import ImportOptions, find_importer, importer_names
    from ..text.console import tell

    name, *rest = files
    is_name = re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is not None
    importer = find_importer(name) if is_name else None
    if importer is None:
        if is_name and not Path(name).exists():
            raise click.UsageError(f"{name} is no file, and none of the formats: {', '.join(importer_names())}.")
        return [(file, _seekable(Path(file), stack)) for file in files]
    if not rest:
        raise click.UsageError(f"Name the files or folders to read: stenogram import {name} PATH…")
    options = ImportOptions(session, as_recorded, tell)
    target = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stenogram-"))) / "events"
    with target.open("wb") as lines:
        for line in importer([Path(each) for each in rest], options):
            lines.write(line.rstrip(b"\n") + b"\n")
    return [(f"events of {name}", target)]


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


def _forks(path: Path, session: str | None) -> "list[Fork]":
    from .jsonl import read_forks

    with path.open("rb") as lines:
        return [fork._replace(session=session or fork.session) for fork in read_forks(lines)]


def _renamed(entries: "Iterator[ImportEntry]", session: str | None) -> "Iterator[ImportEntry]":
    """The entries under the session's new id, which makes sense for one session only. No two events have one id, so
    they get others, the same each time that this is imported."""
    from ...domain.errors import Invalid
    from .jsonl import with_ids

    if session is None:
        yield from entries
        return
    first, ids = None, dict[str, str]()
    for entry in entries:
        event = entry.event
        first = first or event.session
        if event.session != first:
            raise Invalid(f"{entry.origin}: --session names one session, and the file holds more; leave it out.")
        if event.session == session:
            yield entry
        else:
            id = ids[event.id] = str(uuid5(_COPIES, f"{session} {event.id}"))
            yield with_ids(entry, session, id, ids.get(event.cause or "", event.cause))


async def _import(address: str, source: _Source) -> "Findings":
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
            await check(empty, source.read(), source.forks, lambda _: None, as_recorded=source.as_recorded)
    async with Log(storage.engine()) as log:
        with progress("checking", None) as bar:
            findings = await check(log, source.read(), source.forks, bar.advance, as_recorded=source.as_recorded)
        with progress("importing", findings.new.total()) as bar:
            await write(log, source.read(), findings, bar.advance)
    return findings


def _say(findings: "Findings") -> None:
    from ..text.console import tell

    sessions = f"{len(findings.heads)} session{'' if len(findings.heads) == 1 else 's'}"
    new, known = findings.new.total(), findings.known.total()
    if new:
        there = f"; {known:,} were there already" if known else ""
        click.echo(f"Imported {new:,} events of {sessions}{there}.")
    else:
        click.echo(f"Nothing new: all {known:,} events of {sessions} are in the log already.")
    for session, found in findings.deviations.items():
        for each in found[:SHOWN_DEVIATIONS]:
            tell(f"{session}, {each}")
        if len(found) > SHOWN_DEVIATIONS:
            tell(f"{session}, and {len(found) - SHOWN_DEVIATIONS:,} more like these")


def _print(findings: "Findings") -> None:
    """A line for each session: how many of its events were imported, how many were there, and all that is wrong."""
    import orjson

    for session in findings.heads:
        counts = {"imported": findings.new[session], "known": findings.known[session]}
        deviations = findings.deviations.get(session, [])
        click.echo(orjson.dumps({"session": session, **counts, "deviations": deviations}).decode())
