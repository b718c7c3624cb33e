"""`stenogram migrate`: bring the tables in a PostgreSQL database up to date."""

import asyncio

import click

from .options import examples


@click.command(
    short_help="Create or bring up to date the tables in PostgreSQL.",
    epilog=examples(
        "stenogram migrate --log postgresql://stenogram@db.example.com/stenogram",
        "stenogram migrate --new-epoch                after a restore, with the address in STENOGRAM_LOG",
    ),
)
@click.option(
    "--log",
    envvar="STENOGRAM_LOG",
    required=True,
    show_envvar=True,
    metavar="URL",
    help="The log in PostgreSQL; the logs of its tenants are found beside it.",
)
@click.option(
    "--new-epoch",
    is_flag=True,
    help="Invalidate every cursor of a whole log that was handed out: after a restore, when events were lost.",
)
def migrate(log: str, new_epoch: bool) -> None:
    """Create the log's tables, or bring them to what this version needs.

    Safe to run twice, at once, and while gateways of the version before are running. `stenogram serve` creates the
    tables of a new log by itself, and never changes those of an older one.
    """
    from ..domain.errors import ConfigurationError
    from ..log.location import Location
    from ..log.postgres.admin import migrate_all
    from ..log.postgres.migrations import NEWEST

    if Location.parse(log).kind != "postgres":
        raise ConfigurationError("Only a log in PostgreSQL is migrated; --log is a postgresql:// URL.")
    for schema, steps in asyncio.run(migrate_all(log, new_epoch=new_epoch)):
        done = f"schema {NEWEST}, ran: {', '.join(steps)}" if steps else f"schema {NEWEST}, up to date"
        click.echo(f"{schema}: {done}{', new epoch' if new_epoch else ''}")
