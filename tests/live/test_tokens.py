"""From an open gateway to one with keys: `stenogram keys` and `token`, and the lines of the guide that make tokens."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from support.wire import Wire

from stenogram.api.server import Gateway

Start = Callable[..., Awaitable[Gateway]]
STENOGRAM = (sys.executable, "-m", "stenogram")
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "issue-tokens.md"
RUN_BY = {"python": [sys.executable, "-c"], "js": ["node", "-e"], "sh": ["sh", "-c"]}


def stenogram(*arguments: str, **environment: str) -> str:
    """What a command prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STENOGRAM_")}
    done = subprocess.run(
        [*STENOGRAM, *arguments], capture_output=True, text=True, check=False, env={**clean, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments: str, **environment: str) -> str:
    """What a command says that fails."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STENOGRAM_")}
    done = subprocess.run(
        [*STENOGRAM, *arguments], capture_output=True, text=True, check=False, env={**clean, **environment}
    )
    assert done.returncode in (1, 2)
    assert not done.stdout
    return done.stderr


def secret_in(path: Path) -> str:
    found = re.search(r"^STENOGRAM_JWT_SECRET=(\S+)$", path.read_text(), re.MULTILINE)
    assert found
    return found[1]


async def test_a_secret_lasts_and_makes_tokens_that_gateways_accept(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    env = tmp_path / ".env"
    env.write_text("POSTGRES_PASSWORD=x")
    stenogram("keys", "new", "--env", str(env))
    secret = secret_in(env)
    assert env.read_text().startswith("POSTGRES_PASSWORD=x\n")
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert "already" in refused("keys", "new", "--env", str(env))
    assert secret_in(env) == secret
    gateway = await start(jwt_secret=secret, jwt_issuer="us", jwt_audience="them")
    about = ("--sub", "maya", "--scope", "read:trip-*", "--scope", "write:trip-1", "--tenant", "acme", "--for", "15m")
    given = {"STENOGRAM_JWT_SECRET": secret, "STENOGRAM_JWT_ISSUER": "us", "STENOGRAM_JWT_AUDIENCE": "them"}
    wire = await Wire.open(http, gateway.url, token=stenogram("token", *about, **given).strip())
    assert (wire.welcome["participant"], wire.welcome["kind"]) == ("maya", "user")
    assert (await wire.command("trip-1", "session.open", {}))["frame"] == "ack"
    assert (await wire.command("trip-2", "session.open", {}))["error"]["code"] == "forbidden"
    assert gateway.tenants.open["acme"].log.position == 1


async def test_who_has_no_token_reads_how_to_give_one(start: Start) -> None:
    gateway = await start(jwt_secret="x" * 32)
    said = await asyncio.to_thread(refused, "say", "trip", "Hello", "--log", gateway.url)
    assert "--token or STENOGRAM_TOKEN" in said


async def test_a_pair_of_keys(http: aiohttp.ClientSession, start: Start, tmp_path: Path) -> None:
    stenogram("keys", "new", "--pair", str(tmp_path / "team"))
    private, public = tmp_path / "team.key", tmp_path / "team.pub"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "exists" in refused("keys", "new", "--pair", str(tmp_path / "team"))
    gateway = await start(jwt_public_key=public.read_text())
    token = stenogram("token", "--sub", "hotels", "--kind", "agent", "--private-key", str(private)).strip()
    wire = await Wire.open(http, gateway.url, token=token)
    assert wire.welcome["kind"] == "agent"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_up_makes_a_secret_once(tmp_path: Path) -> None:
    root, env = Path(__file__).parents[2], tmp_path / ".env"
    make = ["make", "-f", str(root / "Makefile"), ".env"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STENOGRAM_")}
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True, env=clean)
    made = secret_in(env)
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True, env=clean)
    assert secret_in(env) == made
    assert re.fullmatch(r"[0-9a-f]{64}", made)
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    env.unlink()
    given = {**clean, "STENOGRAM_JWT_SECRET": "one that was used so far, by those who set it"}
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True, env=given)
    assert given["STENOGRAM_JWT_SECRET"] in env.read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--sub", "maya"), "keys new"),
        (("--sub", "m aya"), "sub and tenant are"),
        (("--sub", "users"), "everyone"),
        (("--sub", "maya", "--tenant", "../x"), "sub and tenant are"),
        (("--sub", "maya", "--scope", "reed:*"), "'reed:*' is no scope"),
        (("--sub", "maya", "--scope", "read"), "'read' is no scope"),
        (("--sub", "maya", "--for", "1"), "write 90s, 15m, 1h or 7d"),
        (("--sub", "maya", "--kind", "robot"), "agent"),
        (("--sub", "maya", "--private-key", __file__), "no private key in PEM"),
    ],
)
def test_a_token_that_no_gateway_would_take_is_not_made(arguments: tuple[str, ...], says: str) -> None:
    assert says in refused("token", *arguments)


def test_a_short_secret_is_refused() -> None:
    assert "32 bytes" in refused("token", "--sub", "maya", STENOGRAM_JWT_SECRET="short")


@pytest.mark.parametrize("language", RUN_BY)
async def test_the_lines_of_the_guide_make_good_tokens(
    http: aiohttp.ClientSession, start: Start, language: str
) -> None:
    program = RUN_BY[language]
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    secret = stenogram("keys", "new").strip().partition("=")[2]
    environment = {**os.environ, "STENOGRAM_JWT_SECRET": secret}
    made = subprocess.run([*program, block], capture_output=True, text=True, check=True, env=environment).stdout.strip()  # noqa: ASYNC221
    gateway = await start(jwt_secret=secret)
    wire = await Wire.open(http, gateway.url, token=made)
    assert (wire.welcome["participant"], wire.welcome["kind"]) == ("maya", "user")
    assert (await wire.command("trip-1", "session.open", {}))["frame"] == "ack"
    assert (await wire.command("other", "session.open", {}))["error"]["code"] == "forbidden"
