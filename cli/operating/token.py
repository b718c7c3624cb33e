"""`stenogram token`: a token for somebody, signed with the gateways' key."""

import os
import re
import time
from pathlib import Path
from typing import Any

import click

from ..options import examples

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_KINDS = ("agent", "user", "service")


class Duration(click.ParamType[int]):
    """A time span such as 90s, 15m, 1h, 7d, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([1-9]\d{0,6})([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is no time span; write 90s, 15m, 1h or 7d.", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.command(
    short_help="Make a token for an agent or a person.",
    epilog=examples(
        "stenogram token --sub maya",
        "stenogram token --sub hotels --kind agent --scope 'read:trip-*' --scope 'write:trip-*' --for 12h",
        "stenogram token --sub maya --tenant acme --private-key team.key",
        "export STENOGRAM_TOKEN=$(stenogram token --sub maya)    for the commands that ask a gateway",
    ),
)
@click.option("--sub", required=True, metavar="NAME", help="The participant's id.")
@click.option("--kind", type=click.Choice(_KINDS), default="user", show_default=True, help="What it is.")
@click.option("--tenant", metavar="NAME", help="Whose sessions.  [default: the main log's]")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="RIGHT:PATTERN",
    help="A right and the sessions for which it is given, such as read:trip-*; repeatable.  [default: read:* write:*]",
)
@click.option("--for", "lifetime", type=Duration(), default="1h", show_default=True, help="How long it is good.")
@click.option(
    "--private-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The key to sign with, in PEM; without it the secret in STENOGRAM_JWT_SECRET is used.",
)
@click.option("--issuer", envvar="STENOGRAM_JWT_ISSUER", show_envvar=True, metavar="TEXT", help="Its `iss`.")
@click.option("--audience", envvar="STENOGRAM_JWT_AUDIENCE", show_envvar=True, metavar="TEXT", help="Its `aud`.")
def token(private_key: Path | None, **about: Any) -> None:
    """Print a token that gateways with this key accept.

    Run it where the gateways' settings are, or have an application mint tokens by itself: they are JSON Web Tokens.
    """
    from ...api.access.tokens import check_claims

    claims = _claims(**about)
    check_claims(claims)
    click.echo(_signed(claims, private_key))


def _claims(
    sub: str, kind: str, tenant: str | None, scopes: tuple[str, ...], lifetime: int, issuer: str | None, audience: Any
) -> dict[str, Any]:
    now = int(time.time())
    optional = {"tenant": tenant, "scopes": list(scopes) or None, "iss": issuer, "aud": audience}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"sub": sub, "kind": kind, **given, "iat": now, "exp": now + lifetime}


def _signed(claims: dict[str, Any], private_key: Path | None) -> str:
    import jwt

    from ...api.settings import check_secret
    from ...domain.errors import ConfigurationError

    if private_key is not None:
        algorithm, key = _read_key(private_key)
        return jwt.encode(claims, key, algorithm)
    secret = os.environ.get("STENOGRAM_JWT_SECRET")
    if not secret:
        raise ConfigurationError(
            "There is no key to sign with: set STENOGRAM_JWT_SECRET as for the gateways, or name --private-key. "
            "`stenogram keys new` makes either. A gateway without keys takes no tokens."
        )
    check_secret(secret)
    return jwt.encode(claims, secret, "HS256")


def _read_key(path: Path) -> tuple[str, Any]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from ...domain.errors import ConfigurationError

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"{path} is no private key in PEM without a password; `stenogram keys new` makes one."
        ) from None
    return ("RS256" if isinstance(key, RSAPrivateKey) else "EdDSA"), key
