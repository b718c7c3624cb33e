"""`stenogram completion`: what makes a shell complete commands, options and the ids of sessions.

Ids are asked of the log while the user types, so quickly or not at all."""

import asyncio
from collections.abc import Mapping
from typing import Any

import click

from .options import DEFAULT_LOG, SESSION, Place

SHELLS = ("bash", "zsh", "fish")
PROGRAM, VARIABLE = "stenogram", "_STENOGRAM_COMPLETE"
TIMEOUT_S = 3.0
AT_MOST = 100


@click.command(
    short_help="Complete commands in your shell.",
    epilog="""\b
Examples:
  eval "$(stenogram completion bash)"          in ~/.bashrc
  eval "$(stenogram completion zsh)"           in ~/.zshrc
  stenogram completion fish > ~/.config/fish/completions/stenogram.fish
""",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a SHELL complete commands, options, and the ids of sessions in the log that --log or
    STENOGRAM_LOG names."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())


def sessions_for(options: Mapping[str, Any], prefix: str) -> list[tuple[str, str | None]]:
    """Ids and titles of the sessions that begin so, in the log that the command line names so far. Nothing that goes
    wrong is of interest to who presses Tab."""
    try:
        return asyncio.run(asyncio.wait_for(_sessions(options, prefix), TIMEOUT_S))
    except Exception:
        return []


async def _sessions(options: Mapping[str, Any], prefix: str) -> list[tuple[str, str | None]]:
    from .source.open_source import open_source

    place = Place(
        options.get("log") or DEFAULT_LOG, options.get("token"), options.get("participant"), options.get("kind")
    )
    found: list[tuple[str, str | None]] = []
    async with open_source(place) as source:
        async for summary in source.sessions(prefix):
            found.append((summary.session, summary.title))
            if len(found) >= AT_MOST:
                break
    return found


SESSION.offered = sessions_for
