"""`stenogram replay`: a session happens once more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from ..options import SESSION, Place, examples, json_option, source_options
from ..text.event_choice import EventChoice, event_choice_options
from .speed import SPEED

if TYPE_CHECKING:
    from ...domain.model import Event
    from ..screen.display import Display
    from .pacing import Pacing

LONGEST_PAUSE_S = 2.0


@click.command(
    short_help="Re-enact a session in time.",
    epilog=examples(
        "stenogram replay trip-7                        as it was, on the whole terminal",
        "stenogram replay trip-7 --speed 4x --from 120  from version 120 on, four times as fast",
        "stenogram replay meeting-3 --pace 1.5           what was posted all at once, message by message",
        "stenogram replay trip-7 --lines --folded | less -R",
    ),
)
@click.argument("session", type=SESSION, metavar="SESSION")
@click.option("--speed", type=SPEED, default="1x", show_default=True, metavar="FACTOR", help="2x, 0.5x …, or max.")
@click.option(
    "--from", "first", type=click.IntRange(min=1), default=1, metavar="VERSION", help="Begin with this version."
)
@click.option("--to", "last", type=click.IntRange(min=1), metavar="VERSION", help="End with this version.")
@click.option(
    "--longest", type=click.FloatRange(min=0), default=LONGEST_PAUSE_S, show_default=True, metavar="SECONDS",
    help="Shorten longer pauses to this.",
)  # fmt: skip
@click.option(
    "--pace", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
    help="Take at least so long for each message that was not streamed.",
)  # fmt: skip
@click.option("--lines", is_flag=True, help="Print lines, also on a terminal.")
@event_choice_options
@json_option
@source_options
def replay(  # noqa: PLR0913, PLR0917 - one for each option
    session: str,
    speed: float,
    first: int,
    last: int | None,
    longest: float,
    pace: float,
    lines: bool,
    choice: EventChoice,
    as_json: bool,
    place: Place,
) -> None:
    """Re-enact a SESSION in time: token streams appear as they did.

    On a terminal it shows who is present, what each says and does, and the shared state as it changes;
    elsewhere, lines as `stenogram tail` prints them. Long pauses are shortened, and it says so.
    """
    from .pacing import Pacing

    if last is not None and last < first:
        raise click.UsageError("--to comes before --from.")
    pacing = Pacing(speed, longest, pace)
    if as_json:
        asyncio.run(_replay_json(place, session, (first, last), pacing, choice))
    else:
        asyncio.run(_replay(place, session, (first, last), pacing, choice, lines))


async def _replay(
    place: Place, session: str, span: tuple[int, int | None], pacing: "Pacing", choice: EventChoice, lines: bool
) -> None:
    from ..screen.display import can_be_live, open_display

    first, _ = span
    live = not lines and choice.everything and can_be_live()
    async with open_display(session, live=live, choice=choice) as here:
        async with aclosing(_events(place, session, span, 0)) as events:
            async for _, event in events:
                if event.version < first:
                    here.model.fold(event, 0.0)
                else:
                    await _wait(here, pacing, event)
                    here.show([event])
        if live:
            here.note("the end")


async def _wait(here: "Display", pacing: "Pacing", event: "Event") -> None:
    from ..text.session_page import lasted

    pause = pacing.before(event)
    if pause.shortened is not None:
        here.note(f"{lasted(pause.shortened)} passed")
    if pause.seconds:
        await asyncio.sleep(pause.seconds)
    if pause.shortened is not None:
        here.note("")


async def _replay_json(
    place: Place, session: str, span: tuple[int, int | None], pacing: "Pacing", choice: EventChoice
) -> None:
    from ..text.console import stdout
    from ..text.event_lines import write_raw

    console = stdout()
    async with aclosing(_events(place, session, span, span[0] - 1)) as events:
        async for wire, event in events:
            await asyncio.sleep(pacing.before(event).seconds)
            if choice.wants(event):
                write_raw([wire], console)


async def _events(
    place: Place, session: str, span: tuple[int, int | None], after: int
) -> AsyncGenerator[tuple[bytes, "Event"]]:
    from ...domain.envelope import parse
    from ..source.open_source import open_source
    from ..source.port import reached_version

    first, last = span
    async with open_source(place) as source:
        await reached_version(source, session, first)
        async for page in source.read(session, after):
            for wire in page:
                event = parse(wire)
                if last is not None and event.version > last:
                    return
                yield wire, event
