"""The options that several commands share, and what they come to."""

import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

DEFAULT_LOG = "stenogram.db"
DEFAULT_GATEWAY = "http://127.0.0.1:8600"

Command = Callable[..., Any]


class NameType(click.ParamType[str]):
    """An id, or another name, checked before anything is opened; `name` says of what."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ..domain.ids import NAME_PATTERN

        if not isinstance(value, str) or len(value) > 128 or not re.match(NAME_PATTERN, value) or value[-1] == "\n":
            self.fail(f"{value!r} is no {self.name}: those are 1 to 128 of A-Z a-z 0-9 . _ : @ + -", param, ctx)
        return value


class SessionName(NameType):
    """A session's id. `offered` says which begin so, and their titles, by the options that were given so far."""

    offered: Callable[[Mapping[str, Any], str], list[tuple[str, str | None]]] | None = None

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What a shell offers."""
        found = [] if self.offered is None else self.offered(ctx.params, incomplete)
        return [CompletionItem(id, help=title) for id, title in found]


class RecipientType(NameType):
    """A group, or a participant's id; `@` before it: also if nobody has it yet."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        return text[: text.startswith("@")] + super().convert(text.removeprefix("@"), param, ctx)


SESSION = SessionName("session id")
PARTICIPANT = NameType("participant id")
RECIPIENT = RecipientType("participant id")


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

    @property
    def reader(self) -> str | None:
        """As whom a gateway answers, by a token that it has taken; None for the log itself, where all is read."""
        if not self.is_gateway:
            return None
        if self.token is None:
            return self.participant
        from jwt import decode

        return str(decode(self.token, options={"verify_signature": False})["sub"])

    def option(self) -> str:
        """The option that leads here, for commands that are printed."""
        return f"--log {self.log}"


def log_at(help: str, default: str = DEFAULT_LOG, metavar: str = "PATH|URL") -> Callable[[Command], Command]:
    return click.option(
        "--log",
        envvar="STENOGRAM_LOG",
        default=default,
        show_default=True,
        show_envvar=True,
        metavar=metavar,
        help=help,
    )


log_option = log_at("The log itself: a file, sqlite:///FILE, or a postgresql:// URL.")
_LOG_OR_GATEWAY = "The log: a file, sqlite:///FILE, a postgresql:// URL, or the http:// URL of a gateway."
gateway_option = log_at("The http:// URL of the gateway.", DEFAULT_GATEWAY, "URL")
token_option = click.option(
    "--token",
    envvar="STENOGRAM_TOKEN",
    show_envvar=True,
    metavar="JWT",
    help="The token to show to a gateway.",
)


def as_option(help: str) -> Callable[[Command], Command]:
    """Who it is, where no token says so."""
    return click.option("--as", "participant", type=PARTICIPANT, metavar="PARTICIPANT", help=help)


kind_option = click.option(
    "--kind",
    type=click.Choice(["agent", "user", "service"]),
    help="What kind of participant --as names.  [default: user]",
)


def source_options(command: Command, default: str = DEFAULT_LOG) -> Command:
    """Options of a command that reads a log wherever it is; the command gets them as one `place`."""

    @log_at(_LOG_OR_GATEWAY, default)
    @token_option
    @as_option("Who asks, at a gateway that runs open (without tokens).")
    @kind_option
    @wraps(command)
    def with_place(
        *args: Any, log: str, token: str | None, participant: str | None, kind: str | None, **kwargs: Any
    ) -> Any:
        return command(*args, place=Place(log, token, participant, kind), **kwargs)

    return with_place


def board_options(command: Command) -> Command:
    """The same for a command that reads beside others that act: it reads through the gateway on which those do."""
    return source_options(command, DEFAULT_GATEWAY)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line, for programs.")


def local_name() -> str:
    """What the user is called on this machine, as far as a participant may be called so."""
    import getpass

    from ..domain.ids import NAME_PATTERN

    try:
        name = re.sub(r"[^A-Za-z0-9._:@+-]", "-", getpass.getuser())
    except (OSError, KeyError):  # there is no such user: a container that runs under a number
        name = ""
    return name if re.match(NAME_PATTERN, name) else "user"


def examples(*lines: str) -> str:
    """An epilog that shows how a command is used."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


def is_installed(package: str) -> bool:
    """Whether an optional package is there. It is not imported, and a folder of its name does not pass for it."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
