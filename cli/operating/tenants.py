"""`stenogram tenants`: which tenants have a log, and removing one."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import click

from ..options import examples, json_option, log_option


@click.group(
    short_help="List tenants, or remove one.",
    epilog=examples(
        "stenogram tenants list",
        "stenogram tenants list --json --log postgresql://stenogram@db.example.com/stenogram",
        "stenogram tenants drop acme",
    ),
)
def tenants() -> None:
    """Tenants: each has a log of its own, made when it is first used.

    A gateway may be running meanwhile. What a token's `tenant` names is the tenant's name.
    """


@tenants.command(name="list", short_help="List the tenants that have a log.")
@log_option
@json_option
def list_(log: str, as_json: bool) -> None:
    """List tenants: how many events each has, when the last one was written, how many bytes its log takes, and what is
    wrong where it cannot be read."""
    rows = asyncio.run(_listed(log))
    _print(rows, as_json)


@tenants.command(short_help="Remove a tenant, with all its sessions.")
@click.argument("name", metavar="NAME")
@log_option
@click.option(
    "--views", envvar="STENOGRAM_VIEWS", show_envvar=True, default="", metavar="PATH", help="Where the views are."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(name: str, log: str, views: str, yes: bool) -> None:
    """Remove a tenant: its log with all its sessions, and its views. This cannot be undone.

    A file that a gateway has open is refused; it closes that of a tenant which nobody uses after a while
    (STENOGRAM_TENANT_IDLE). In PostgreSQL the log goes under a running gateway: the tenant's connections end, and what
    asks for it is refused until the log is restored or made anew (`stenogram migrate`), or the gateway restarted.
    """
    events = asyncio.run(_events(log, name))
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Say --yes to remove a tenant without being asked.")
        click.confirm(f"Remove the tenant {name!r}, {events} events, for good?", abort=True, err=True)
    asyncio.run(_drop(log, views, name))
    click.echo(f"Removed the tenant {name!r} with {events} events.")


async def _listed(log: str) -> list[dict[str, Any]]:
    """Their lines. Raises LogUnreadable where there is neither a tenant's log nor one that could have tenants."""
    rows = await rows_of(log)
    if not rows:
        await _refuse_no_log(log)
    return rows


async def rows_of(log: str) -> list[dict[str, Any]]:
    """What is known of each tenant; `trouble` says why it cannot be read, where it cannot."""
    from ...log.storage import Storage, find_tenants

    storage = Storage(log)
    found = await find_tenants(log)
    return [await _row(storage, name, size) for name, size in found.items()]


async def _refuse_no_log(log: str) -> None:
    """Raise LogUnreadable unless there is a log that could have tenants."""
    from ...log.storage import Storage

    engine = Storage(log).engine(read_only=True)
    await engine.open()
    await engine.close()


async def _row(storage: Any, name: str, size: int = 0) -> dict[str, Any]:
    """A tenant's line; one whose log cannot be read must not hide the others."""
    from ...domain.errors import StenogramError

    row: dict[str, Any] = {"tenant": name, "events": None, "last": None, "bytes": size, "trouble": ""}
    engine = storage.engine(name, read_only=True)
    try:
        head = await engine.open()
        try:
            last = await engine.read_log(head.position - 1, 1) if head.position else []
        finally:
            await engine.close()
    except StenogramError as error:
        return {**row, "trouble": error.detail}
    when = datetime.fromtimestamp(last[0].time / 1_000_000, UTC).isoformat(timespec="seconds") if last else None
    return {**row, "events": head.position, "last": when}


async def _events(log: str, name: str) -> str:
    """How many events a tenant has, for people. Raises NotFound when there is no such tenant."""
    from ...domain.errors import NotFound
    from ...log.location import Location
    from ...log.storage import Storage, find_tenants

    location = Location.parse(log)
    known = await find_tenants(log)
    shown = name
    if location.kind == "postgres":
        from ...log.postgres.address import Address

        address = Address.parse(log)
        shown = address.of_tenant(name).schema.removeprefix(f"{address.schema}@")
    if shown not in known:
        if not known:
            await _refuse_no_log(log)
        raise NotFound(f"There is no tenant {name!r}; `stenogram tenants list` shows those there are.")
    events = (await _row(Storage(log), name))["events"]
    return "an unknown number of" if events is None else f"{events:,}"


async def _drop(log: str, views: str, name: str) -> None:
    from ...api.views.storage import drop_views
    from ...log.storage import drop_tenant

    await drop_tenant(log, name)
    drop_views(views, log, name)


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    import orjson

    from ..text.console import one_line, stdout

    console = stdout()
    if as_json:
        for row in rows:
            click.echo(orjson.dumps({name: value for name, value in row.items() if value != ""}).decode())
    elif not rows:
        click.echo("No tenants.", err=True)
    elif not console.is_terminal:
        for row in rows:
            click.echo("\t".join("" if value is None else one_line(str(value), 400) for value in row.values()))
    else:
        from rich.table import Table

        table = Table(*rows[0], box=None, header_style="dim", pad_edge=False)
        for row in rows:
            table.add_row(*("" if value is None else one_line(str(value), 80) for value in row.values()))
        console.print(table, soft_wrap=False)
