"""The entry point: every command under one roof, and what becomes of errors.

A command raises; this module alone turns what was raised into one line on stderr and an exit code:

    0    done
    1    refused or failed: one line says what happened and what to do
    2    the command line itself was wrong
    130  interrupted with Ctrl-C, quietly
    141  the reader of the output closed its pipe (`| head`), quietly
"""

import io
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from .. import __version__
from .acting.interruptions import pause, reroute, resume, steer, stop
from .acting.sessions import close, open_, reopen
from .acting.shared_state import state
from .acting.speech import answer, say
from .acting.tasks import task
from .backup import backup, restore
from .completion import completion
from .demo.command import demo
from .exporting.command import export
from .importing.command import import_
from .mcp import mcp
from .migrate import migrate
from .operating.doctor.command import doctor
from .operating.keys import keys
from .operating.link import link
from .operating.tenants import tenants
from .operating.token import token
from .projections.command import projections
from .recording.command import record
from .replay.command import replay
from .serve import serve
from .sessions import sessions
from .show import show
from .tail import tail
from .view import view
from .watch import watch

INTERRUPTED = 130
NOBODY_READS = 141


class _Ended(Exception):
    """The command was ended from outside, with this exit code and nothing to say."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class RootGroup(click.Group):
    """Turns Ctrl-C and a closed pipe into exit codes, which click would report otherwise."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise _Ended(INTERRUPTED) from None
        except BrokenPipeError:
            _close_stdout()
            raise _Ended(NOBODY_READS) from None
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by what they are for, in the order in which one meets them."""
        for title, names in SECTIONS.items():
            found = [(name, self.commands[name].get_short_help_str(60)) for name in names if name in self.commands]
            with formatter.section(title):
                formatter.write_dl(found, col_max=13)


@click.group(
    cls=RootGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  stenogram demo                               watch a team of agents at work
  stenogram serve --log team.db                run a gateway on that log
  stenogram sessions --log team.db             what is in it
  stenogram tail --log http://127.0.0.1:8600   follow everything that happens
  stenogram say trip-7 "With a view, please."  take part
""",
)
@click.version_option(__version__, "-V", "--version", prog_name="stenogram")
def stenogram() -> None:
    """The verbatim record of what a team of agents and people says and does.

    Sessions live in a log: a file, or a gateway that serves one. Every command that looks takes either as
    --log and may be used beside a running gateway; those that act need a gateway.
    """


SECTIONS: dict[str, list[str]] = {}
"""The names of the commands, by what they are for."""
for title, commands in {
    "Run": (demo, serve, mcp, record),
    "Look": (sessions, show, watch, tail, replay, view),
    "Act, on a gateway": (open_, say, answer, task, state, stop, pause, resume, steer, reroute, close, reopen),
    "Look after": (
        export,
        import_,
        backup,
        restore,
        migrate,
        projections,
        tenants,
        token,
        link,
        keys,
        doctor,
        completion,
    ),
}.items():
    SECTIONS[title] = [str(each.name) for each in commands]
    for each in commands:
        stenogram.add_command(each)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    _prepare_streams()
    code = run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()
    except OSError as error:
        _close_stdout()
        code = code or _fail(error)
    sys.exit(code)


def _prepare_streams() -> None:
    """Make stdout and stderr take whatever is written to them, whole, also where they were closed (`>&-`): otherwise
    the next file that is opened would take their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    if isinstance(sys.stdout.buffer, io.RawIOBase):
        # PYTHONUNBUFFERED leaves stdout without a buffer, and then a pipe that is full makes Python drop the rest of
        # what is written. All commands flush when it matters.
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(sys.stdout.buffer), encoding=sys.stdout.encoding)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code and prints what has to be said on stderr."""
    try:
        result = stenogram.main(arguments, prog_name="stenogram", standalone_mode=False)
    except _Ended as end:
        return end.code
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        return _fail(error)
    return result if isinstance(result, int) else 0


def _fail(error: Exception) -> int:
    from ..domain.errors import StenogramError
    from .text.console import printable

    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    if os.environ.get("STENOGRAM_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, StenogramError):
        said = error.detail
    elif isinstance(error, OSError):
        said = f"{error.filename}: {error.strerror}." if error.filename else f"{error}."
    else:
        said = f"a fault in stenogram: {error!r}. Set STENOGRAM_DEBUG=1 to see where."
    click.echo(f"stenogram: {printable(said)}", err=True)
    return 1


def _close_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail a second time."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
