"""`hansard serve`: a gateway."""

import asyncio
from typing import TYPE_CHECKING, Any, get_args, get_origin

import click

from .options import examples

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

SECRETS = ("jwt_secret",)
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
        "hansard serve                                          open, on this machine only",
        "hansard serve --log team.db --port 9000",
        "HANSARD_JWT_SECRET=$(openssl rand -hex 32) hansard serve --host 0.0.0.0",
    ),
)
def serve(**given: Any) -> None:
    """Run a gateway: agents and people connect to it, sessions are kept in its log.

    Each setting is also read from the environment, as HANSARD_ and its name; what the command line says wins.
    The secret of HS256 tokens comes from HANSARD_JWT_SECRET alone, at least 32 bytes. Without keys a gateway
    runs open, on loopback only: whoever connects says who they are. Ctrl-C or SIGTERM ends it in good order.
    """
    from ..api.server import serve as run

    settings = _settings({name: value for name, value in given.items() if value is not None})
    asyncio.run(run(settings))


def _settings(given: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from ..api.settings import Settings
    from ..domain.catalogue import explain
    from ..domain.errors import ConfigurationError

    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError(f"The settings cannot be used: {explain(error)}.") from None


def _option(name: str, field: "FieldInfo") -> click.Option:
    """The option of one setting. Its default stays with the setting, so that the environment comes before it."""
    several = get_origin(field.annotation) is tuple
    default = "" if field.default in (None, ()) else f"  [default: {field.default}]"
    return click.Option(
        [f"--{name.replace('_', '-')}"],
        type=_type(field.annotation),
        multiple=several,
        default=None,
        metavar=None,
        help=f"{field.description}.  [HANSARD_{name.upper()}]{default}",
        callback=(lambda _, __, value: value or None) if several else None,
    )


def _type(annotation: Any) -> Any:
    choices = [each for each in get_args(annotation) if isinstance(each, str)]
    if choices:
        return click.Choice(choices)
    return annotation if annotation in (int, float) else str
