"""`stenogram open`, `close` and `reopen`: the life of a session."""

from typing import TYPE_CHECKING

import click

from ..options import SESSION, Place, examples, json_option
from .gateway import acting, gateway_options, printed

if TYPE_CHECKING:
    from ...client.transport.command_queue import Ack

_reason = click.option("--reason", metavar="TEXT", help="Why, for people.")
_session = click.argument("session", type=SESSION, metavar="SESSION")


@click.command(
    name="open",
    short_help="Create a session.",
    epilog=examples("stenogram open trip-7 --title 'Lisbon in May' --label stage=planning"),
)
@_session
@click.option("--title", metavar="TEXT", help="What people call it.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="For finding it; may be repeated.")
@json_option
@gateway_options
async def open_(session: str, title: str | None, labels: tuple[str, ...], as_json: bool, place: Place) -> None:
    """Create a SESSION. Agents and programs create theirs by entering them."""
    from ...client.arguments import drop_none

    named = dict(map(_label, labels))
    async with acting(place, session) as here:
        ack = await here.do("session.open", drop_none(title=title, labels=named or None))
    _print(as_json, session, "open", ack)


@click.command(
    short_help="Close a session: what is under way ends.",
    epilog=examples("stenogram close trip-7 --reason 'Everything is booked.'"),
)
@_session
@_reason
@json_option
@gateway_options
async def close(session: str, reason: str | None, as_json: bool, place: Place) -> None:
    """Close a SESSION for everyone. What is under way ends: tasks are cancelled, messages aborted, questions withdrawn.
    Its history stays."""
    async with acting(place, session) as here:
        ack = await here.close(reason)
    _print(as_json, session, "closed", ack)


@click.command(
    short_help="Open a closed session again.", epilog=examples("stenogram reopen trip-7 --reason 'One more thing.'")
)
@_session
@_reason
@json_option
@gateway_options
async def reopen(session: str, reason: str | None, as_json: bool, place: Place) -> None:
    """Open a closed SESSION again. One that is open stays as it is."""
    async with acting(place, session) as here:
        await here.reopen(reason)
    printed(as_json, f"Session {session} is open.", session=session, status="open")


def _print(as_json: bool, session: str, status: str, ack: "Ack") -> None:
    said = f"Session {session} is {status}."
    printed(as_json, said, session=session, status=status, version=ack.versions[0], position=ack.positions[0])


def _label(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given or not name:
        raise click.UsageError(f"{text!r} is no label; it looks like stage=planning.")
    return name, value
