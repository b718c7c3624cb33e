"""`stenogram state`: the shared state of a session, read and written."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from ..options import SESSION, Place, board_options, examples, json_option
from .gateway import acting, gateway_options, printed
from .values import PATH, value_of

if TYPE_CHECKING:
    from ...client import Session
    from ...client.transport.command_queue import Ack

TRIES = 10


@click.group(
    short_help="Read and write the shared state.",
    epilog=examples("stenogram state get trip-7 /hotel", "stenogram state set trip-7 /hotel/nights 3"),
)
def state() -> None:
    """Read and write the shared state of a session. A PATH is a JSON Pointer, such as /hotel/nights."""


@state.command(
    name="get",
    short_help="Print the shared state, or a part of it.",
    epilog=examples("stenogram state get trip-7", "stenogram state get trip-7 /hotel/name"),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.argument("path", type=PATH, default="", metavar="[PATH]")
@json_option
@board_options
def get(session: str, path: str, as_json: bool, place: Place) -> None:
    """Print what is at PATH in the shared state of a SESSION, as JSON; without a PATH, all of it. It reads a log, or
    through a gateway. The exit code is 1 when there is nothing."""
    import orjson

    found = _at(asyncio.run(_read(place, session)), path)
    click.echo(orjson.dumps(found, option=0 if as_json else orjson.OPT_INDENT_2).decode())


@state.command(
    name="set",
    short_help="Write a part of the shared state.",
    epilog=examples(
        "stenogram state set trip-7 /hotel/name 'Casa Azul'",
        'stenogram state set trip-7 /hotel \'{"name": "Casa Azul", "nights": 3}\'',
        "stenogram state set trip-7 /hotel/nights 4 --if-unchanged 41   unless it was changed after version 41",
        "stenogram state set trip-7 /hotel --remove",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.argument("path", type=PATH, metavar="PATH")
@click.argument("value", required=False, metavar="[VALUE]")
@click.option("--text", "is_text", is_flag=True, help="VALUE is a text, also if it looks like JSON.")
@click.option("--remove", is_flag=True, help="Remove what is there.")
@click.option(
    "--if-unchanged", type=click.IntRange(min=0), metavar="VERSION",
    help="Only if nothing at PATH has changed since this version of the session.",
)  # fmt: skip
@json_option
@gateway_options
async def set_(
    session: str, path: str, value: str | None, is_text: bool, remove: bool, if_unchanged: int | None, as_json: bool,
    place: Place,
) -> None:  # fmt: skip
    """Put VALUE at PATH in the shared state of a SESSION, in place of what is there. VALUE is JSON, or a text without
    quotes; - takes it from stdin. Objects on the way to PATH that are missing are made."""
    if remove == (value is not None):
        raise click.UsageError("Give a VALUE, or --remove.")
    given = None if value is None else value_of(value, is_text=is_text)
    async with acting(place, session, follow=True) as here:
        ack = await _set(here, path, given, remove, if_unchanged)
    said = f"{path or 'The state'} is {'removed' if remove else 'set'}, as version {ack.versions[0]} of {session}."
    printed(as_json, said, session=session, path=path, version=ack.versions[0], position=ack.positions[0])


async def _set(session: "Session", path: str, value: Any, remove: bool, if_unchanged: int | None) -> "Ack":
    """Write it. What others write at the same time on the way to the path is not overwritten: then it is tried again,
    unless the caller has named a version."""
    from ...domain.errors import Conflict

    for left in reversed(range(TRIES)):
        missing = [] if remove else _missing(session.state.value, path)
        guarded = {} if if_unchanged is None else {path: if_unchanged}
        if missing and if_unchanged is None:
            guarded = {missing[0]: session.state.version}
        last = {"op": "remove", "path": path} if remove else {"op": "add", "path": path, "value": value}
        made: list[dict[str, Any]] = [{"op": "add", "path": each, "value": {}} for each in missing]
        try:
            return await session.state.patch([*made, last], if_unchanged=guarded or None)
        except Conflict as conflict:
            if if_unchanged is not None or not left or type(conflict) is not Conflict:
                raise
            await session.live.reached(conflict.extra.get("version", 0))
    raise AssertionError("it has returned or raised")


def _missing(value: Any, path: str) -> list[str]:
    """The places on the way to a path where there is nothing yet, the first one first."""
    from ...domain.json.pointer import resolve

    nothing, found, parts = object(), [], path.split("/")
    for end in range(2, len(parts)):
        way = "/".join(parts[:end])
        if resolve(value, way, nothing) is nothing:
            found.append(way)
    return found


async def _read(place: Place, session: str) -> Any:
    from ...projections.views.state import state as view
    from ..source.open_source import open_source

    async with open_source(place) as source:
        await source.version(session)
        (held,) = await source.views(session, [view])
        return (held or {}).get("value", {})


def _at(value: Any, path: str) -> Any:
    from ...domain.errors import NotFound
    from ...domain.json.pointer import resolve

    nothing = object()
    found = resolve(value, path, nothing)
    if found is nothing:
        raise NotFound(f"There is nothing at {path} in the shared state.")
    return found
