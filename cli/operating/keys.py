"""`stenogram keys`: what gateways check tokens with, and applications sign them with."""

import os
import re
import secrets
from pathlib import Path

import click

from ..options import examples

_SECRET = "STENOGRAM_JWT_SECRET"
_BYTES = 32


@click.group(
    short_help="Make keys for tokens.",
    epilog=examples(
        "stenogram keys new                     a secret, as a line for a file of settings",
        "stenogram keys new --env .env          add it to that file, for `make up` or systemd",
        "stenogram keys new --pair team         team.key to sign tokens with, team.pub for gateways",
    ),
)
def keys() -> None:
    """Keys: with one, a gateway wants a token from everyone, and may listen on more than loopback.

    Either a secret, known to gateways and to whatever makes tokens, or a pair: gateways then know the public half
    only, and cannot make tokens.
    """


@keys.command(short_help="Make a new secret, or a pair of keys.")
@click.option(
    "--env",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Add the secret to this file of settings, which is then readable by its owner only.",
)
@click.option("--pair", type=click.Path(path_type=Path), metavar="NAME", help="Make NAME.key and NAME.pub (Ed25519).")
def new(env: Path | None, pair: Path | None) -> None:
    """Make a new secret and print it, or make a pair of keys. Nothing that exists is overwritten."""
    if pair is not None and env is not None:
        raise click.UsageError("--env takes a secret, --pair makes files of its own; use one of them.")
    if pair is not None:
        _make_pair(pair)
    elif env is not None:
        _add_secret(env)
    else:
        click.echo(f"{_SECRET}={secrets.token_hex(_BYTES)}")


def _add_secret(path: Path) -> None:
    from ...domain.errors import ConfigurationError

    text = path.read_text() if path.exists() else ""
    if re.search(rf"^\s*(export\s+)?{_SECRET}=", text, re.MULTILINE):
        raise ConfigurationError(
            f"{path} has a {_SECRET} already. With another one every token that was made would be refused; "
            f"remove the line first if you want that."
        )
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(file, "a") as out:
        os.fchmod(file, 0o600)
        out.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{_SECRET}={secrets.token_hex(_BYTES)}\n")
    click.echo(f"Added {_SECRET} to {path}.")


def _make_pair(name: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    private, public = Path(f"{name}.key"), Path(f"{name}.pub")
    _write_new(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write_new(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    click.echo(f"{private} signs tokens: stenogram token --private-key {private} --sub …")
    click.echo(f'{public} is for gateways:  export STENOGRAM_JWT_PUBLIC_KEY="$(cat {public})"')


def _write_new(path: Path, content: bytes, mode: int) -> None:
    from ...domain.errors import ConfigurationError

    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists, and is not overwritten; choose another name.") from None
    with os.fdopen(file, "wb") as out:
        out.write(content)
