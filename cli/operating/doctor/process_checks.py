"""Checks of the process and its settings: keys, origins, the port, descriptors, versions, the clock."""

import resource
import sqlite3
import sys
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from importlib.metadata import PackageNotFoundError, version
from time import time

from ....api.access.tokens import Authenticator
from ....api.loop.listening import bound
from ....api.settings import Settings, check_origin, is_loopback
from ....domain.errors import ConfigurationError
from .finding import Finding, fail, ok, warn

CLOCK_S = 1.0
"""Seconds by which two clocks may differ."""
FEW_DESCRIPTORS = 4_096
PACKAGES = ("stenogram", "aiohttp", "orjson", "psycopg", "pydantic", "uvloop")
OLDEST_SQLITE = (3, 35, 0)


def check_process(settings: Settings) -> Iterator[Finding]:
    """All of these."""
    yield _versions()
    yield from _keys(settings)
    yield from _origins(settings)
    yield from _port(settings)
    yield _descriptors()


def clock_finding(what: str, whose: str, seconds: float) -> Finding:
    """How far another clock is from this machine's."""
    if abs(seconds) > CLOCK_S:
        return warn(
            what,
            f"{whose} clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's",
            "run NTP (chrony, systemd-timesyncd) on both: tokens expire, and deadlines fall due, by these clocks",
        )
    return ok(what, f"{whose} clock is within {CLOCK_S:g} s of this machine's")


def _versions() -> Finding:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    said = f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {', '.join(found)}"
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return fail("versions", said, f"use a Python with SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer")
    return ok("versions", said)


def _keys(settings: Settings) -> Iterator[Finding]:
    try:
        settings.check_keys()
        Authenticator(settings)
    except ConfigurationError as error:
        yield fail("keys", error.detail, "`stenogram keys new --env FILE`, and have the gateway read it")
        return
    if settings.open:
        yield warn(
            "keys",
            "none: the gateway runs open, on loopback only, and trusts the identity that a client claims",
            "`stenogram keys new` makes a secret; a proxy in front of an open gateway opens it to everyone",
        )
        return
    how = "a secret (HS256)" if settings.jwt_secret is not None else "a public key"
    named = [name for name, value in (("iss", settings.jwt_issuer), ("aud", settings.jwt_audience)) if value]
    yield ok("keys", f"{how}; {' and '.join(named) + ' required' if named else 'neither iss nor aud required'}")


def _origins(settings: Settings) -> Iterator[Finding]:
    for origin in settings.origins:
        try:
            check_origin(origin)
        except ConfigurationError as error:
            yield fail("origins", error.detail, "mend STENOGRAM_ORIGINS")
            return
    if settings.origins:
        yield ok("origins", f"pages of {', '.join(settings.origins)} may connect, and the gateway's own")
    else:
        yield ok("origins", "only pages of the gateway's own address may connect")


def _port(settings: Settings) -> Iterator[Finding]:
    where = f"{settings.host}:{settings.port}"
    try:
        with bound(settings.host, settings.port):
            yield ok("port", f"{where} is free")
    except ConfigurationError as error:
        yield from _gateway(settings, where, error)


def _gateway(settings: Settings, where: str, error: ConfigurationError) -> Iterator[Finding]:
    """What listens there may be a gateway."""
    host = settings.host if is_loopback(settings.host) else "127.0.0.1"
    connection = HTTPConnection(host, settings.port, timeout=5)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, HTTPException):
        yield fail("port", error.detail, "stop what listens there, or take another port")
        return
    finally:
        connection.close()
    if answer.status == 200 and '"ready"' in body:
        yield ok("port", f"a gateway that is ready listens on {where}")
    elif answer.status == 503 and "not_ready" in body:
        yield fail("port", f"a gateway listens on {where} and is not ready: {body}", "do as the detail says")
    else:
        yield fail("port", error.detail, "something else listens there: stop it, or take another port")
    if date := answer.getheader("Date"):
        seconds = parsedate_to_datetime(date).timestamp() - time()
        seconds = 0.0 if abs(seconds) < 2 else seconds  # the header has whole seconds
        yield clock_finding("clock", "the gateway's", seconds)


def _descriptors() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else 1_048_576
    if most < FEW_DESCRIPTORS:
        return warn(
            "descriptors",
            f"a process may have {most:,} open: each connection takes one, each tenant in a file up to 16",
            "raise the hard limit: LimitNOFILE= of systemd, ulimits of a container",
        )
    return ok("descriptors", f"a process may have {most:,} open" + (f", {soft:,} at first" if soft < most else ""))
