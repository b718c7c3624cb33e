"""`stenogram backup` and `stenogram restore`: logs in files, copied while they are written, and put back."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import Place, examples, log_option

if TYPE_CHECKING:
    from ..log.engine import LogHead

    Copy = Callable[[Path, Path, Callable[[int, int], None]], LogHead]

GUIDE = "docs/how-to/back-up-and-restore.md"


@click.command(
    short_help="Copy a log, also while a gateway writes it.",
    epilog=examples(
        "stenogram backup backups/2026-11-30",
        "stenogram backup /mnt/backups/$(date +%F-%H%M) --log team.db",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@log_option
def backup(folder: Path, log: str) -> None:
    """Copy the log and those of its tenants to a new folder.

    Each copy is a log like the original, in one file, as it was at one moment; a gateway may write meanwhile. Views
    are not copied: they are made from the log. A log in PostgreSQL is backed up with PostgreSQL's tools.
    """
    from ..domain.errors import ConfigurationError, LogUnreadable
    from ..log.sqlite.backups import backup as copy
    from ..log.sqlite.backups import find_logs

    main = _file(log, "backed up with pg_dump, pg_basebackup or continuous archiving")
    if folder.exists():
        raise ConfigurationError(f"{folder} is there already; name a folder that is not.")
    found = find_logs(main)
    if main not in found:
        raise LogUnreadable(f"There is no log at {main}; check the path.")
    part = folder.with_name(f"{folder.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    for each in part.iterdir():
        each.unlink()
    _copy_all([(each, part / each.name) for each in found], copy)
    part.rename(folder)


@click.command(
    short_help="Put a copy of a log in its place.",
    epilog=examples(
        "stenogram restore backups/2026-11-30",
        "stenogram restore backups/2026-11-30/stenogram@acme.db --log stenogram@acme.db --replace",
    ),
)
@click.argument("backup", type=click.Path(exists=True, path_type=Path), metavar="BACKUP")
@click.option("--replace", is_flag=True, help="Replace the logs that are there. What they have is lost.")
@log_option
def restore(backup: Path, replace: bool, log: str) -> None:
    """Put back what `stenogram backup` copied: a folder of it, or one file of that.

    Stop the gateways first. A log that is put back gets a new epoch: cursors of the whole log from before are refused,
    and do not lead to events that have taken the place of lost ones. Views are made again by the gateway. A log in
    PostgreSQL is restored with PostgreSQL's tools, and gets a new epoch by `stenogram migrate --new-epoch`.
    """
    from functools import partial

    from ..log.sqlite.backups import restore as put_back

    main = _file(log, "restored with pg_restore or from its archive, then run `stenogram migrate --new-epoch`")
    copies = _places(backup, main) if backup.is_dir() else [(backup, main)]
    _copy_all(copies, lambda copy, to, tell: partial(put_back, replace=replace)(copy, to, progress=tell))


def _file(log: str, otherwise: str) -> Path:
    from ..domain.errors import ConfigurationError
    from ..log.location import Location

    file = Location.parse(Place(log).address).file()
    if file is None:
        raise ConfigurationError(f"Only logs in files are copied here. One in PostgreSQL is {otherwise}: see {GUIDE}.")
    return file.resolve()


def _places(folder: Path, main: Path) -> list[tuple[Path, Path]]:
    """Where each log of a folder belongs: the one with the shortest name is the main one."""
    from ..domain.errors import LogUnreadable
    from ..log.sqlite.backups import find_logs

    names = sorted((each for each in folder.iterdir() if each.suffix == main.suffix), key=lambda each: len(each.name))
    found = find_logs(names[0]) if names else []
    if not found:
        raise LogUnreadable(f"There is no log in {folder}; name what `stenogram backup` wrote.")
    stem = len(found[0].stem)
    return [(each, main.with_name(f"{main.stem}{each.stem[stem:]}{main.suffix}")) for each in found]


def _copy_all(copies: list[tuple[Path, Path]], copy: "Copy") -> None:
    from .text.console import progress

    for source, to in copies:
        with progress(source.name, None) as bar:
            head = copy(source, to, bar.reach)
        events = f"{head.position:,} event{'' if head.position == 1 else 's'}"
        click.echo(f"{source.name}: {events}, epoch {head.epoch}")
