"""`stenogram record`."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ..options import DEFAULT_GATEWAY, SESSION, Place, as_option, examples, json_option, log_at, token_option

if TYPE_CHECKING:
    from ...adapters.recordings.claude_code.live import GatewaySink, Recorder
    from .log_sink import LogSink

RECORDER = "recorder"
HOOKS = "hooks"
"""In the state's folder, that of what hooks said."""
PROJECT_SETTINGS = Path(".claude", "settings.json")


class _HookCommand(click.Command):
    """A command that fails as a hook with 1, never with 2: that Claude Code takes for a veto, so a wrong variable of
    the environment would stop it at every tool."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_hook = "--hook" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not is_hook:
                raise
            raise click.ClickException(error.format_message()) from None


@click.group(
    short_help="Record what other programs do, while they do it.",
    epilog=examples("stenogram record claude-code --log https://board.example.com"),
)
def record() -> None:
    """Record what other programs do, while they do it."""


@record.command(
    "claude-code",
    cls=_HookCommand,
    short_help="Record the sessions of Claude Code.",
    epilog=examples(
        "stenogram record claude-code                                  all projects, into the gateway on this machine",
        "stenogram record claude-code ~/.claude/projects/-app --log https://board.example.com",
        "stenogram record claude-code --install-hooks                  into .claude/settings.json of this project",
        "stenogram record claude-code --install-hooks --settings ~/.claude/settings.json",
    ),
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]…")
@click.option("--session", type=SESSION, metavar="ID", help="The session's id; for one file.")
@click.option("--all", "everything", is_flag=True, help="Also sessions that nothing comes to any more.")
@click.option("--finish", is_flag=True, help="Record what is there, end the sessions, and exit.")
@click.option(
    "--state",
    envvar="STENOGRAM_STATE",
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where it keeps what it has read.  [default: ~/.local/state/stenogram]",
)
@click.option(
    "--install-hooks", "hooks", flag_value="install", help="Add the hooks to Claude Code's settings, and exit."
)
@click.option("--remove-hooks", "hooks", flag_value="remove", help="Remove them from there, and exit.")
@click.option(
    "--settings",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=f"The settings to add them to, or to remove them from.  [default: {PROJECT_SETTINGS}]",
)
@click.option("--hooks", "hooks", flag_value="print", help="Print the hooks for the settings of Claude Code, and exit.")
@click.option("--hook", "hooks", flag_value="take", help="Take a hook's input from stdin; Claude Code calls this.")
@json_option
@log_at("Where to write: the http:// URL of a gateway, or a log that no gateway serves.", DEFAULT_GATEWAY)
@token_option
@as_option("Who records, at a gateway that runs open (without tokens).  [default: recorder]")
def claude_code(  # noqa: PLR0913, PLR0917 - one for each option
    paths: tuple[Path, ...],
    session: str | None,
    everything: bool,
    finish: bool,
    state: Path | None,
    hooks: str | None,
    settings: Path | None,
    as_json: bool,
    log: str,
    token: str | None,
    participant: str | None,
) -> None:
    """Record sessions of Claude Code while they go on, each as a session of its own: what `stenogram import
    claude-code` makes of the same transcripts, event by event.

    PATH is a transcript or a folder of them; without one, all projects of this user. It begins with what is new; a
    session that goes on is recorded from its beginning. When it is ended and started again, it goes on where it was.

    A gateway with keys wants a token with the scope record:claude-*.
    """
    if hooks == "take":
        _take_hook(state or _default_state())
        return
    if hooks is not None:
        _set_up_hooks(hooks, settings, as_json)
        return
    if settings is not None or as_json:
        raise click.UsageError("--settings and --json are for --install-hooks and --remove-hooks.")
    state = state or _default_state()
    if session is not None and (len(paths) != 1 or paths[0].is_dir()):
        raise click.UsageError("--session names one session: name the file of one, too.")
    chosen = list(paths) or [_projects()]
    for path in chosen:
        if not path.exists():
            raise click.UsageError(f"{path}: there is no such file or folder.")
    place = Place(log, token, participant)
    with _alone(state, place) as spools:
        asyncio.run(_record(chosen, session, everything, finish, state, spools, place))


async def _record(
    paths: list[Path],
    session: str | None,
    everything: bool,
    finish: bool,
    state: Path,
    spools: Path,
    place: Place,
) -> None:
    from ...adapters.recordings.claude_code.live import Followed, Recorder
    from ..text.console import tell

    async with _sink(place) as sink:
        recorder = Recorder(Followed(paths, session, everything or finish), state / HOOKS, spools, sink, tell)
        recorder.begin()
        if finish:
            await recorder.finish()
        else:
            tell(f"recording {', '.join(map(str, paths))} into {place.log} (Ctrl-C ends it)")
            await _until_signal(recorder)


async def _until_signal(recorder: "Recorder") -> None:
    """Record until SIGTERM or Ctrl-C, which it survives as it survives everything else."""
    import contextlib
    import signal

    work = asyncio.ensure_future(recorder.run())
    for each in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(each, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def _sink(place: Place) -> "GatewaySink | LogSink":
    if not place.is_gateway:
        from .log_sink import LogSink

        return LogSink(place.address)
    from ...adapters.recordings.claude_code.live import GatewaySink

    return GatewaySink(place.log, place.token, None if place.token else place.participant or RECORDER)


@contextmanager
def _alone(state: Path, place: Place) -> Iterator[Path]:
    """The folder for what is read and written to this place, which no other recorder has."""
    import fcntl
    from hashlib import sha256

    where = place.log if place.is_gateway or "://" in place.log else str(Path(place.log).resolve())
    spools = state / f"claude-code-{sha256(where.encode()).hexdigest()[:16]}"
    spools.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (spools / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException(
                f"Another recorder writes to {place.log} with the state in {state}; name another --state."
            ) from None
        yield spools


def _take_hook(state: Path) -> None:
    """Whatever comes, Claude Code goes on."""
    from .hooks import note_hook

    try:
        fault = None
        if not note_hook(state / HOOKS, sys.stdin.buffer.read(2**20)):
            fault = "this is not what a hook of Claude Code gets"
    except OSError as error:
        fault = f"this hook cannot be kept: {error}"
    if fault is not None:
        from ..text.console import tell  # which takes as long as all else

        tell(fault)


def _set_up_hooks(do: str, settings: Path | None, as_json: bool) -> None:
    from .hook_setup import change_hooks, hook_command, print_hooks

    context = click.get_current_context()
    named = context.get_parameter_source("state") is ParameterSource.COMMANDLINE
    command = hook_command(context.params["state"] if named else None)
    if do == "print":
        print_hooks(command)
    else:
        change_hooks(settings or PROJECT_SETTINGS, command, install=do == "install", as_json=as_json)


def _default_state() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "stenogram"


def _projects() -> Path:
    return Path(os.environ.get("CLAUDE_CONFIG_DIR") or "~/.claude").expanduser() / "projects"
