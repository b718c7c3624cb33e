"""`stenogram link`: signs somebody in to the console of an open gateway, once."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from ..options import PARTICIPANT, SESSION, examples, gateway_option, json_option, local_name

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(
    short_help="Make a link that opens the console, signed in.",
    epilog=examples("stenogram link", "stenogram link trip-7 --as maya", "xdg-open $(stenogram link trip-7)"),
)
@click.argument("session", type=SESSION, metavar="[SESSION]", required=False)
@gateway_option
@click.option("--as", "participant", type=PARTICIPANT, metavar="PARTICIPANT", help="Whom it signs in.  [default: you]")
@json_option
def link(session: str | None, log: str, participant: str | None, as_json: bool) -> None:
    """Print the address of the console, or of SESSION in it, that signs somebody in: once, within ten minutes.

    It is for gateways that run open, and good at the one that made it, while that runs. A gateway with keys wants a
    token instead, which `stenogram token` makes.
    """
    from urllib.parse import quote

    from ...client.transport.identity import base_url

    url = base_url(log)
    made = asyncio.run(_made(url, participant or local_name()))
    place = f"s/{quote(session, safe='')}" if session else ""
    address = f"{url}/console/{place}#link={made['code']}"
    if as_json:
        import orjson

        click.echo(orjson.dumps({"link": address, "expires_in": made["expires_in"]}).decode())
    else:
        click.echo(address)


async def _made(url: str, participant: str) -> "Mapping[str, Any]":
    import aiohttp

    from ...client.transport.http import Http
    from ...client.transport.identity import Identity

    async with aiohttp.ClientSession() as http:
        return await Http(http, url, Identity(None, participant, "user")).post("/console/links")
