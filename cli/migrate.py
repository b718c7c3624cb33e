"""`stenogram migrate`: bring a log's tables up to date, or give it a new epoch."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from .options import examples, json_option


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
@json_option
def migrate(log: str, new_epoch: bool, as_json: bool) -> None:
    """Create the log's tables in PostgreSQL, or bring a log to what this version needs.

    Says of each log which version of the schema it has now, and what was done for that.

    In PostgreSQL it is safe to run twice, at once, and while gateways of the version before are running. `stenogram
    serve` creates the tables of a new log by itself, and never changes those of an older one. It does bring a file up
    to date.
    """
    from ..domain.errors import ConfigurationError
    from ..log.location import Location

    place = Location.parse(log)
    if place.kind == "memory":
        raise ConfigurationError("A log in memory is always new; name a file or a postgresql:// URL.")
    file = place.file()
    for done in _migrate_files(file, new_epoch) if file is not None else _migrate_schemas(log, new_epoch):
        _print({**done, "new_epoch": new_epoch}, as_json)


def _migrate_files(main: Path, new_epoch: bool) -> Iterator[dict[str, Any]]:
    """Each log with its schema, and the one that it had."""
    from ..log.sqlite.backups import find_logs, migrate
    from ..log.sqlite.sql import SCHEMA_VERSION

    for log in find_logs(main) or [main]:
        yield {"log": log.name, "schema": SCHEMA_VERSION, "was": migrate(log, new_epoch=new_epoch).schema}


def _migrate_schemas(url: str, new_epoch: bool) -> Iterator[dict[str, Any]]:
    """Each log with its schema, and the steps that led there."""
    from ..log.postgres.admin import migrate_all
    from ..log.postgres.migrations import NEWEST

    for schema, steps in asyncio.run(migrate_all(url, new_epoch=new_epoch)):
        yield {"log": schema, "schema": NEWEST, "ran": steps}


def _print(done: dict[str, Any], as_json: bool) -> None:
    import orjson

    if as_json:
        click.echo(orjson.dumps(done).decode())
        return
    said = "up to date"
    if done.get("was", done["schema"]) < done["schema"]:
        said = f"was {done['was']}"
    elif done.get("ran"):
        said = f"ran: {', '.join(done['ran'])}"
    epoch = ", new epoch" if done["new_epoch"] else ""
    click.echo(f"{done['log']}: schema {done['schema']}, {said}{epoch}")
