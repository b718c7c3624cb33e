"""`stenogram show`: a session as it is, or as it was at a version."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from .options import SESSION, Place, examples, json_option, reading

if TYPE_CHECKING:
    from .text.picture import Picture


@click.command(
    short_help="Show a session, now or at any version.",
    epilog=examples(
        "stenogram show trip-7",
        "stenogram show trip-7 --at 120      what the team knew after version 120",
        "stenogram show trip-7 --json | jq .state",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.option("--at", type=click.IntRange(min=1), metavar="VERSION", help="As it was after this version.")
@json_option
@reading
def show(session: str, at: int | None, as_json: bool, place: Place) -> None:
    """Show a session, folded: what it is, who takes part, what was said, and the shared state."""
    picture = asyncio.run(_read(place, session, at))
    if as_json:
        import orjson

        click.echo(orjson.dumps(_document(picture), option=orjson.OPT_UTC_Z, default=_plain).decode())
    else:
        from .text.session_page import print_picture

        print_picture(picture)


async def _read(place: Place, session: str, at: int | None) -> "Picture":
    from ..domain.envelope import parse
    from ..domain.errors import BadCursor
    from .source.choosing import open_source
    from .text.picture import Picture

    picture = Picture(session)
    async with open_source(place) as source:
        version = await source.version(session)
        if at is not None and at > version:
            raise BadCursor(f"Session {session!r} stands at version {version}; {at} is not reached yet.")
        async for page in source.read(session, 0):
            for wire in page:
                event = parse(wire)
                if at is not None and event.version > at:
                    return picture
                picture.see(event)
    return picture


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def _document(picture: "Picture") -> dict[str, Any]:
    """The picture for programs."""
    from .text.team_words import board

    state = picture.state
    return {
        "session": state.id,
        "version": state.version,
        **state.session._asdict(),
        "participants": [each._asdict() for each in state.presence.values()],
        "messages": [
            {
                "message": said.id,
                "version": said.version,
                "time": said.time,
                "actor": said.author,
                "kind": said.kind,
                "status": said.status,
                "audience": said.audience,
                "text": said.text,
            }
            for said in picture.transcript.said()
        ],
        "tasks": [each._asdict() for each in board(state)],
        "approvals": [each._asdict() for each in state.approvals.known.values()],
        "state": state.document.value,
        "state_version": state.document.version,
    }
