"""The options that several commands share, and what they come to."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

DEFAULT_LOG = "stenogram.db"

Command = Callable[..., Any]


class SessionName(click.ParamType[str]):
    """A session's id, checked before anything is opened."""

    name = "session"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ..domain.ids import NAME_PATTERN

        if not isinstance(value, str) or len(value) > 128 or not re.match(NAME_PATTERN, value) or value[-1] == "\n":
            self.fail(f"{value!r} is no session id: those are 1 to 128 of A-Z a-z 0-9 . _ : @ + -", param, ctx)
        return value


SESSION = SessionName()


class Place(NamedTuple):
    """Where the log is, and who asks: `log` is an address of `log.storage`, or a gateway's http(s) URL."""

    log: str
    token: str | None = None
    participant: str | None = None
    kind: str | None = None

    @property
    def is_gateway(self) -> bool:
        """Whether a gateway is asked, not the log itself."""
        return self.log.startswith(("http://", "https://"))

    @property
    def address(self) -> str:
        """The log's own address."""
        if self.is_gateway:
            raise click.UsageError(f"This needs the log itself, not a gateway ({self.log}).")
        return self.log

    def option(self) -> str:
        """The option that leads here, for commands that are printed."""
        return f"--log {self.log}"


def _log_option(help: str) -> Callable[[Command], Command]:
    return click.option(
        "--log",
        envvar="STENOGRAM_LOG",
        default=DEFAULT_LOG,
        show_default=True,
        show_envvar=True,
        metavar="PATH|URL",
        help=help,
    )


log_option = _log_option("The log itself: a file, sqlite:///FILE, or a postgresql:// URL.")
_log_or_gateway = _log_option("The log: a file, sqlite:///FILE, a postgresql:// URL, or the http:// URL of a gateway.")
_token = click.option(
    "--token",
    envvar="STENOGRAM_TOKEN",
    show_envvar=True,
    metavar="JWT",
    help="The token to show to a gateway.",
)
_participant = click.option(
    "--as",
    "participant",
    metavar="PARTICIPANT",
    help="Who asks, at a gateway that runs open (without tokens).",
)
_kind = click.option(
    "--kind",
    type=click.Choice(["agent", "user", "service"]),
    help="What kind of participant --as names.  [default: user]",
)


def source_options(command: Command) -> Command:
    """Options of a command that reads a log wherever it is; the command gets them as one `place`."""

    @_log_or_gateway
    @_token
    @_participant
    @_kind
    @wraps(command)
    def with_place(
        *args: Any, log: str, token: str | None, participant: str | None, kind: str | None, **kwargs: Any
    ) -> Any:
        return command(*args, place=Place(log, token, participant, kind), **kwargs)

    return with_place


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line, for programs.")


def examples(*lines: str) -> str:
    """An epilog that shows how a command is used."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))
