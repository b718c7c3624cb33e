"""`stenogram serve`: a gateway."""

import asyncio
import contextlib
import os
import re
import signal
from typing import TYPE_CHECKING, Any, get_args, get_origin

import click

from .options import DEFAULT_GATEWAY, examples, is_installed, local_name

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from pydantic.fields import FieldInfo

    from ..api.http.asgi import AsgiApp, AsgiMount
    from ..api.server import Gateway

_EXAMPLES = {"origins": "https://app.example.com", "projections": "team.views:board", "ag_ui_agents": "writer"}
"""An element of each setting that is a list."""
MOST_DESCRIPTORS = 65_536
SECRETS = ("jwt_secret", "webhook_keys")
"""Settings that are read from the environment only: a command line can be seen by every user of the machine."""


class Serve(click.Command):
    """A command whose options are the gateway's settings: one each, of the same name."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The settings as options, made when they are first needed."""
        if not self.params:
            from ..api.settings import Settings

            fields = Settings.model_fields.items()
            self.params = [_option(name, field) for name, field in fields if name not in SECRETS]
        return super().get_params(ctx)


@click.command(
    short_help="Run a gateway.",
    cls=Serve,
    epilog=examples(
        "stenogram serve                                          open, on this machine only",
        "stenogram serve --log team.db --port 9000",
        "stenogram serve --log team.db --port 9001 --read-only    beside it, for more who follow",
        "STENOGRAM_JWT_SECRET=$(openssl rand -hex 32) stenogram serve --host 0.0.0.0",
    ),
)
def serve(**given: Any) -> None:
    """Run a gateway: agents and people connect to it, sessions are kept in its log.

    Each setting is also read from the environment, as STENOGRAM_ and its name; what the command line says wins.
    The secret of HS256 tokens comes from STENOGRAM_JWT_SECRET alone, at least 32 bytes, and what signs webhooks from
    STENOGRAM_WEBHOOK_KEYS. Without keys a gateway runs open, on loopback only, and trusts the identity that a client
    claims. Ctrl-C or SIGTERM ends it in good order.
    """
    from ..api.loop.factory import loop_factory
    from ..api.loop.gc_tuning import tune_gc
    from ..api.server import serve as run

    tune_gc()
    _raise_descriptor_limit()
    settings = read_settings({name: value for name, value in given.items() if value is not None})
    _log_to_stderr(settings.log_level)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(settings, _announce, _mounts()))
    for each in (signal.SIGTERM, signal.SIGINT):  # Python's own end would make them deadly again
        signal.signal(each, signal.SIG_IGN)


def _mounts() -> "list[AsgiMount]":
    """What is served besides, as far as it is installed. It is imported when it is first called."""
    from ..api.http.asgi import AsgiMount

    def mcp(url: str) -> "AbstractAsyncContextManager[AsgiApp]":
        from ..adapters.mcp import mcp_endpoint

        return mcp_endpoint(url)

    return [AsgiMount("/mcp", mcp)] if is_installed("mcp") else []


def _raise_descriptor_limit() -> None:
    """Many systems give a process 1,024 descriptors and let it ask for more; a connection takes one, and a tenant whose
    log is a file several."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _announce(gateway: "Gateway") -> None:
    settings = gateway.settings
    reading = " for reading only" if settings.read_only else ""
    click.echo(f"stenogram: serving {gateway.place}{reading} at {gateway.url} (Ctrl-C ends it)", err=True)
    if not settings.open:
        click.echo(f"stenogram: the console is at {gateway.url}/console/", err=True)
    else:
        another = "stenogram link" if gateway.url == DEFAULT_GATEWAY else f"stenogram link --log {gateway.url}"
        click.echo(f"stenogram: the console is at {gateway.sign_in_link(local_name())}", err=True)
        click.echo(f"stenogram: that link signs you in once, within 10 minutes ({another} makes another)", err=True)
    for path in gateway.mounted:
        click.echo(f"stenogram: {path.strip('/')} is at {gateway.url}{path}", err=True)
    if settings.open:
        click.echo("stenogram: open, without tokens: it trusts the identity that a client claims;", err=True)
        click.echo("stenogram: put no proxy in front of it before it has keys (stenogram keys new)", err=True)


def _log_to_stderr(level: str) -> None:
    """One line for each thing that is worth knowing: for people on a terminal, as JSON elsewhere."""
    import logging
    import sys

    import structlog

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [structlog.dev.ConsoleRenderer(colors="NO_COLOR" not in os.environ)]
    if not sys.stderr.isatty():
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def read_settings(given: dict[str, Any]) -> Any:
    """The gateway's settings: what is given, then the environment. Raises ConfigurationError."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from ..api.settings import Settings
    from ..domain.errors import ConfigurationError
    from ..domain.wording.wrong_input import explain

    try:
        return Settings(**given)
    except ValidationError as error:
        said = re.sub(r"(?<![\w.])(\w+)(?=[\w.\[\]]*: should )", _as_set, explain(error))
        raise ConfigurationError(f"The settings cannot be used: {said}.") from None
    except SettingsError as error:
        named = re.search(r'field "(\w+)"', str(error))
        name = named[1] if named else "origins"
        raise ConfigurationError(
            f'STENOGRAM_{name.upper()} cannot be read; it is a JSON list, such as ["{_EXAMPLES.get(name, "…")}"].'
        ) from None


def _as_set(found: re.Match[str]) -> str:
    """A setting by the variable that sets it as well, for those who gave no option."""
    return f"{found[1]} (STENOGRAM_{found[1].upper()})"


def _option(name: str, field: "FieldInfo") -> click.Option:
    """The option of one setting; of several values, each is given by an option of its own. Its default stays with the
    setting, so that the environment comes before it."""
    several, flag = get_origin(field.annotation) is tuple, field.annotation is bool
    default = "" if flag or field.default in (None, (), "") else f"  [default: {field.default}]"
    option = f"--{(name.rstrip('s') if several else name).replace('_', '-')}"
    if field.default is True:  # what is on is to be switched off, too
        option += f"/--no{option[1:]}"
    return click.Option(
        [option, name],
        type=_type(field.annotation),
        multiple=several,
        is_flag=flag,
        default=None,
        metavar=None,
        help=f"{field.description}.  [STENOGRAM_{name.upper()}]{default}",
        callback=(lambda _, __, value: value or None) if several else None,
    )


def _type(annotation: Any) -> Any:
    choices = [each for each in get_args(annotation) if isinstance(each, str)]
    if choices:
        return click.Choice(choices)
    return annotation if annotation in (int, float, bool) else str
