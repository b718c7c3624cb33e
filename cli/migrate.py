"""`stenogram migrate`: bring a log's tables up to date, or give it a new epoch."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click

from .options import examples


@click.command(
    short_help="Bring a log's tables up to date, or give it a new epoch.",
    epilog=examples(
        "stenogram migrate --log postgresql://stenogram@db.example.com/stenogram",
        "stenogram migrate --new-epoch --log team.db  an older copy was put back",
        "stenogram migrate --new-epoch                after a restore, with the address in STENOGRAM_LOG",
    ),
)
@click.option(
    "--log",
    envvar="STENOGRAM_LOG",
    required=True,
    show_envvar=True,
    metavar="PATH|URL",
    help="The log: a file, or a postgresql:// URL; the logs of its tenants are found beside it.",
)
@click.option(
    "--new-epoch",
    is_flag=True,
    help="Invalidate every cursor of a whole log that was handed out: after a restore, when events were lost.",
)
def migrate(log: str, new_epoch: bool) -> None:
    """Create the log's tables in PostgreSQL, or bring a log to what this version needs.

    In PostgreSQL it is safe to run twice, at once, and while gateways of the version before are running. `stenogram
    serve` creates the tables of a new log by itself, and never changes those of an older one. It does bring a file up
    to date.
    """
    from ..domain.errors import ConfigurationError
    from ..log.location import Location

    place = Location.parse(log)
    said = ", new epoch" if new_epoch else ""
    if place.kind == "memory":
        raise ConfigurationError("A log in memory is always new; name a file or a postgresql:// URL.")
    file = place.file()
    for line in _migrate_files(file, new_epoch) if file is not None else _migrate_schemas(log, new_epoch):
        click.echo(f"{line}{said}")


def _migrate_files(main: Path, new_epoch: bool) -> Iterator[str]:
    from ..log.sqlite.backups import find_logs, migrate
    from ..log.sqlite.sql import SCHEMA_VERSION

    for log in find_logs(main) or [main]:
        before = migrate(log, new_epoch=new_epoch).schema
        done = f"was {before}" if before < SCHEMA_VERSION else "up to date"
        yield f"{log.name}: schema {SCHEMA_VERSION}, {done}"


def _migrate_schemas(url: str, new_epoch: bool) -> Iterator[str]:
    from ..log.postgres.admin import migrate_all
    from ..log.postgres.migrations import NEWEST

    for schema, steps in asyncio.run(migrate_all(url, new_epoch=new_epoch)):
        yield f"{schema}: schema {NEWEST}, " + (f"ran: {', '.join(steps)}" if steps else "up to date")
