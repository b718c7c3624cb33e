"""`stenogram demo`: see it work."""

import asyncio
import secrets
import shlex
import shutil
import sys
from pathlib import Path

import click

from ..options import SESSION, examples
from ..replay.speed import SPEED


@click.command(
    short_help="Watch a team of agents plan a journey, live.",
    epilog=examples(
        "stenogram demo",
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
@click.option("--lines", is_flag=True, help="Print lines, also on a terminal.")
@click.option("--chaos", is_flag=True, help="Run every agent in a process of its own, and kill them at random.")
def demo(log: str, session: str | None, speed: float, lines: bool, chaos: bool) -> None:
    """Watch a team of agents plan a journey, live.

    A gateway starts on a free port of this machine, and a team of agents and a person talk through it. They take
    tasks and work side by side; she changes her mind, twice, and only what depends on it starts over; one of the
    agents is killed (`kill -9`) in the middle of a sentence, and another takes over; a question is asked, and
    answered on her phone. There is no model behind it: what they say is scripted; the gateway, the clients, the
    processes and the log are real. What you see comes from a subscription, as it would in a program of yours. It
    takes about half a minute.
    """
    from ..screen.display import can_be_live

    live = not lines and can_be_live()
    session = session or f"trip-{secrets.token_hex(2)}"
    if not live:
        click.echo(f"stenogram: session {session} in {log}", err=True)
    changed = asyncio.run(_run(log, session, speed, live, chaos))
    _print_what_next(log, session, changed - 1)


async def _run(log: str, session: str, speed: float, live: bool, chaos: bool) -> int:
    """Run it; the version in which Maya changed the hotel."""
    from ..screen.display import open_display
    from .run import run

    async with open_display(session, live=live) as here:
        await run(log, session, speed, here, chaos)
        return here.model.changes["/hotel"].version


def _print_what_next(log: str, session: str, before: int) -> None:
    from ..text.console import stdout

    stenogram, at = _program(), f"--log {shlex.quote(log)}"
    commands = {
        f"{stenogram} replay {session} {at}": "watch it again, as it happened",
        f"{stenogram} show {session} {at}": "who said what, and how it ended",
        f"{stenogram} show {session} --at {before} {at}": "the same, just before Maya changed her mind",
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
