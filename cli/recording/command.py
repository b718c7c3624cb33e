"""`stenogram record`."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import DEFAULT_GATEWAY, SESSION, Place, as_option, examples, log_at, token_option

if TYPE_CHECKING:
    from ...adapters.recordings.claude_code.live import GatewaySink, Recorder
    from .log_sink import LogSink

RECORDER = "recorder"
HOOKS = "hooks"
"""In the state's folder, that of what hooks said."""
EVENTS = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Notification", "Stop", "SessionEnd")
"""Those of Claude Code's hooks that say what its transcripts do not."""
HOOK = "stenogram record claude-code --hook"


@click.group(
    short_help="Record what other programs do, while they do it.",
    epilog=examples("stenogram record claude-code --log https://board.example.com"),
)
def record() -> None:
    """Record what other programs do, while they do it."""


@record.command(
    "claude-code",
    short_help="Record the sessions of Claude Code.",
    epilog=examples(
        "stenogram record claude-code                                  all projects, into the gateway on this machine",
        "stenogram record claude-code ~/.claude/projects/-app --log https://board.example.com",
        "stenogram record claude-code --hooks                          what to put into ~/.claude/settings.json",
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
@click.option("--hooks", is_flag=True, help="Print the hooks for the settings of Claude Code, and exit.")
@click.option("--hook", is_flag=True, help="Take a hook's input from stdin; Claude Code calls this.")
@log_at("Where to write: the http:// URL of a gateway, or a log that no gateway serves.", DEFAULT_GATEWAY)
@token_option
@as_option("Who records, at a gateway that runs open (without tokens).  [default: recorder]")
def claude_code(  # noqa: PLR0913, PLR0917 - one for each option
    paths: tuple[Path, ...],
    session: str | None,
    everything: bool,
    finish: bool,
    state: Path | None,
    hooks: bool,
    hook: bool,
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
    state = state or _default_state()
    if hook:
        _take_hook(state)
        return
    if hooks:
        _print_hooks()
        return
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


def _print_hooks() -> None:
    import orjson

    entry = [{"hooks": [{"type": "command", "command": HOOK}]}]
    click.echo(orjson.dumps({"hooks": dict.fromkeys(EVENTS, entry)}, option=orjson.OPT_INDENT_2).decode())


def _default_state() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "stenogram"


def _projects() -> Path:
    return Path(os.environ.get("CLAUDE_CONFIG_DIR") or "~/.claude").expanduser() / "projects"
