"""The command itself: runs all checks, and prints what they found."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import click

from ...options import examples, json_option

if TYPE_CHECKING:
    from ....api.settings import Settings
    from .finding import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(
    short_help="Check settings, database, disk and clock, and say what to mend.",
    epilog=examples(
        "stenogram doctor",
        "stenogram doctor --log postgresql://stenogram@db.example.com/stenogram",
        "docker compose exec gateway-1 stenogram doctor",
    ),
)
@click.option("--log", envvar="STENOGRAM_LOG", show_envvar=True, metavar="PATH|URL", help="The log itself.")
@json_option
def doctor(log: str | None, as_json: bool) -> None:
    """Check what a gateway with these settings would meet: keys, origins, port, the log and its disk or database,
    views, the clock, versions.

    The settings are read from the environment as `stenogram serve` reads them. Nothing is made or changed, and gateways
    may be running. The exit code is 1 when something does not work.
    """
    from ...serve import read_settings

    settings = read_settings({} if log is None else {"log": log})
    findings = asyncio.run(_all(settings))
    _print(findings, as_json)
    if any(finding.level == "fail" for finding in findings):
        raise click.exceptions.Exit(1)


async def _all(settings: "Settings") -> "list[Finding]":
    from .process_checks import check_process

    return [*check_process(settings), *[finding async for finding in _storage(settings)]]


async def _storage(settings: "Settings") -> "AsyncIterator[Finding]":
    from ....domain.errors import StenogramError
    from ....log.location import Location
    from .finding import fail, ok

    try:
        location = Location.parse(settings.log)
    except StenogramError as error:
        yield fail("log", error.detail, "mend --log (STENOGRAM_LOG)")
        return
    if location.kind == "memory":
        yield ok("log", "in memory: it is gone with the gateway")
        return
    trouble = False
    async for finding in _checks(settings, location.kind, location.file()):
        trouble = trouble or finding.level == "fail"
        yield finding
    if not trouble:
        async for finding in _tenants_and_views(settings):
            yield finding


def _checks(settings: "Settings", kind: str, file: object) -> "AsyncIterator[Finding]":
    if kind == "postgres":
        from .postgres_checks import check_database

        return check_database(settings.log, tenants=not settings.open)
    from pathlib import Path

    from .file_checks import check_file

    assert isinstance(file, Path)
    return check_file(file)


async def _tenants_and_views(settings: "Settings") -> "AsyncIterator[Finding]":
    """How the logs of tenants and the views are."""
    from ..tenants import rows_of
    from .finding import fail, ok
    from .view_checks import check_views

    rows = await rows_of(settings.log)
    for row in [row for row in rows if row["trouble"]]:
        yield fail("tenants", f"{row['tenant']}: {row['trouble']}", "that tenant is refused until it is mended")
    if rows:
        yield ok("tenants", f"{len(rows):,} have a log")
    async for finding in check_views(settings):
        yield finding


def _print(findings: "list[Finding]", as_json: bool) -> None:
    import orjson

    from ...text.console import one_line

    for finding in findings:
        if as_json:
            said = {name: value for name, value in finding._asdict().items() if value}
            click.echo(orjson.dumps(said).decode())
            continue
        level = click.style(f"{finding.level:<4}", fg=COLOURS[finding.level])
        click.echo(f"{level}  {finding.what:<12} {one_line(finding.said, 400)}")
        if finding.mend:
            click.echo(f"{'':<19}→ {finding.mend}")
