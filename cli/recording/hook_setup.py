"""Setting up the hooks: printed, added to a settings file, or removed from it."""

import shlex
import shutil
from functools import partial
from pathlib import Path

import click
import orjson

from ..text.console import tell
from .hook_settings import HOOK, hook_settings, with_hooks, without_hooks
from .settings_file import change_settings


def hook_command(state: Path | None) -> str:
    """What Claude Code is to call; with a state that was named, which is where its recorder looks."""
    return HOOK if state is None else f"{HOOK} --state {shlex.quote(str(state.absolute()))}"


def print_hooks(command: str) -> None:
    """Print settings that have the hooks and nothing else."""
    click.echo(orjson.dumps(hook_settings(command), option=orjson.OPT_INDENT_2).decode())


def change_hooks(path: Path, command: str, *, install: bool, as_json: bool) -> None:
    """Add the hooks to a file, or remove them, and say so. Raises OSError and ClickException."""
    events = change_settings(path, partial(with_hooks, command=command) if install else without_hooks)
    if as_json:
        click.echo(orjson.dumps({"settings": str(path), "added" if install else "removed": events}).decode())
    elif events:
        click.echo(f"{'Added to' if install else 'Removed from'} {path}: {', '.join(events)}.")
    else:
        click.echo(f"{path} has them already." if install else f"{path} has none of them.")
    program = command.partition(" ")[0]
    if install and shutil.which(program) is None:
        tell(f"there is no `{program}` on the PATH, where Claude Code looks for it")
