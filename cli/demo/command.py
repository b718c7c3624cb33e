"""`stenogram demo`: see it work."""

import asyncio
import secrets
import shlex
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import SESSION, examples
from ..replay.speed import SPEED

if TYPE_CHECKING:
    from ...api.server import Gateway
    from ..screen.display import Display
    from .run import Wishes

PATIENCE_S = 15.0
"""Seconds that the first turn of somebody at the console lasts; after one that passes, the next lasts half as long."""
ENTRANCE_S = 30.0
"""Seconds for which the demo waits until somebody sees the page, before it begins without them."""


@click.command(
    short_help="Watch a team of agents plan a journey, live.",
    epilog=examples(
        "stenogram demo                         in the browser; you are Maya",
        "stenogram demo --terminal              on this terminal, to watch",
        "stenogram demo --speed 2x",
        "stenogram demo --chaos                 with more kills",
        "stenogram demo --lines --speed max     as plain lines, at once",
    ),
)
@click.option(
    "--log", default="stenogram-demo.db", show_default=True, metavar="PATH", help="The log that it is recorded in."
)
@click.option("--session", type=SESSION, metavar="ID", help="The session's id; by default a new one for each run.")
@click.option("--speed", type=SPEED, default="1x", show_default=True, metavar="FACTOR", help="2x, 0.5x …, or max.")
@click.option("--terminal", is_flag=True, help="Show it on the whole terminal, where that is one; else as lines.")
@click.option("--lines", is_flag=True, help="Print lines of all that happens.")
@click.option(
    "--browser/--no-browser",
    default=None,
    help="Open the console in a browser, or wait a while for you to open it.  [default: open it, with a display]",
)
@click.option(
    "--patience", type=click.FloatRange(min=0), default=PATIENCE_S, show_default=True, metavar="SECONDS",
    help="How long Maya waits for you at the console before she acts herself; 0: not at all.",
)  # fmt: skip
@click.option("--chaos", is_flag=True, help="Run every agent in a process of its own, and kill them at random.")
def demo(
    log: str,
    session: str | None,
    speed: float,
    terminal: bool,
    lines: bool,
    browser: bool | None,
    patience: float,
    chaos: bool,
) -> None:
    """Watch a team of agents plan a journey, live, and take part.

    A gateway starts on a free port of this machine, and a team of agents and a person talk through it. They take
    tasks and work side by side; she changes her mind, twice, and only what depends on it starts over; one of the
    agents is killed (`kill -9`) in the middle of a sentence, and another takes over; a question is asked, and
    answered on her phone. There is no model behind it: what they say is scripted; the gateway, the clients, the
    processes and the log are real. It takes about half a minute.

    The console in your browser shows it, and there you are Maya: say that it shall be Lisbon, change the hotel, answer
    the question, stop whom you like. It waits a while for you each time, and goes on by itself when you only watch.
    Without a display it prints the console's address, and lines of what happens.
    """
    from ..screen.display import can_be_live
    from .page import has_display
    from .run import Wishes

    by_itself = terminal or lines
    opens = browser if browser is not None else not by_itself and has_display()
    session = session or f"trip-{secrets.token_hex(2)}"
    live = terminal and not lines and can_be_live()
    if not live:
        click.echo(f"stenogram: session {session} in {log}", err=True)
    wishes = Wishes(speed, chaos, patience, ENTRANCE_S if browser is not None or opens else 0.0)
    changed = asyncio.run(_run(log, session, wishes, live=live, opens=opens, told=opens and not lines))
    _print_what_next(log, session, changed - 1 if changed else None)


async def _run(log: str, session: str, wishes: "Wishes", *, live: bool, opens: bool, told: bool) -> int | None:
    """Run it; the version in which the hotel was changed, if it was. `told`: the page shows it."""
    from ..screen.display import open_display
    from .page import PageDisplay, show_page
    from .people import MAYA
    from .run import run

    def started(gateway: "Gateway") -> None:
        show_page(gateway.sign_in_link(MAYA, f"s/{session}"), opens=opens, quiet=live)

    async with AsyncExitStack() as stack:
        here: Display = (
            PageDisplay(session) if told else await stack.enter_async_context(open_display(session, live=live))
        )
        await run(log, session, here, wishes, started)
        change = here.model.changes.get("/hotel")
        return change.version if change else None


def _print_what_next(log: str, session: str, before: int | None) -> None:
    from ..text.console import stdout

    stenogram, at = _program(), f"--log {shlex.quote(log)}"
    commands = {
        f"{stenogram} replay {session} {at}": "watch it again, as it happened",
        f"{stenogram} show {session} {at}": "who said what, and how it ended",
        **(
            {f"{stenogram} show {session} --at {before} {at}": "the same, just before Maya changed her mind"}
            if before
            else {}
        ),
        f"{stenogram} tail {session} {at}": "the last events, and any that follow",
        f"{stenogram} export {session} {at}": "all of it, as JSON lines",
        f"{stenogram} serve {at}": "a gateway on this log, with a console to look around in",
    }
    console, width = stdout(), max(map(len, commands))
    click.echo("\nEvery word of it is on record. Next:\n")
    for command, what in commands.items():
        line = f"  {command:<{width}}   "
        click.echo(line + (click.style(what, dim=True) if console.is_terminal and not console.no_color else what))


def _program() -> str:
    """How this program can be called again from here: by its name where that finds it, otherwise by its path."""
    called = Path(sys.argv[0])
    if called.name != "stenogram":
        return f"{shlex.quote(sys.executable)} -m stenogram"
    found = shutil.which("stenogram")
    if found is not None and Path(found).resolve() == called.resolve():
        return "stenogram"
    inside = called.resolve().is_relative_to(Path.cwd())
    return shlex.quote(str(called.resolve().relative_to(Path.cwd()) if inside else called.resolve()))
