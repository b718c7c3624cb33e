"""Where the commands act, and as whom: options, a client, and what a refusal means on a command line."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from ..options import Place, as_option, gateway_option, kind_option, local_name, token_option

if TYPE_CHECKING:
    from ...client import Client, Session

Command = Callable[..., Any]
CONNECT_TIMEOUT_S = 5.0


def gateway_options(command: Callable[..., Coroutine[Any, Any, Any]]) -> Command:
    """Options of a command that acts. The command is a coroutine function and gets them as one `place`; its result is
    the exit code."""

    @gateway_option
    @token_option
    @as_option("Who acts, at a gateway that runs open (without tokens).  [default: your name on this machine]")
    @kind_option
    @wraps(command)
    def run(*args: Any, log: str, token: str | None, participant: str | None, kind: str | None, **given: Any) -> Any:
        place = Place(log, token, participant, kind)
        if not place.is_gateway:
            raise click.UsageError(
                f"This changes a session, so it needs the gateway that serves the log, not the log itself ({log}): "
                f"--log http://127.0.0.1:8600, or STENOGRAM_LOG. `stenogram serve` runs one."
            )
        return asyncio.run(command(*args, place=place, **given))

    return run


@asynccontextmanager
async def acting(place: Place, session: str, *, follow: bool = False) -> "AsyncIterator[Session]":
    """The session, to act in without joining it; with `follow` it is folded here, and `live` is there. Refusals that
    this command line has a command for name it."""
    from ...domain.errors import NotFound, SessionClosed

    async with _connected(place) as client:
        try:
            async with client.session(session, open=False, join=False, follow=follow) as entered:
                yield entered
        except SessionClosed as closed:
            raise SessionClosed(
                f"Session {session!r} is closed; `stenogram reopen {session} {place.option()}` opens it again.",
                **closed.extra,
            ) from None
        except NotFound as missing:
            if await _exists(client, session):
                raise
            raise NotFound(
                f"There is no session {session!r} at {place.log}, or it is not for you; `stenogram open {session} "
                f"{place.option()}` creates it, `stenogram sessions {place.option()}` lists what there is.",
                **missing.extra,
            ) from None


@asynccontextmanager
async def _connected(place: Place) -> "AsyncIterator[Client]":
    from ...client import Client

    kind: Any = place.kind or "user"
    who: dict[str, Any] = {"token": place.token} if place.token else {"participant": place.participant or local_name()}
    logger = logging.getLogger("stenogram.client")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what matters is raised, and said once
    try:
        async with Client(place.log, kind=kind, connect_timeout=CONNECT_TIMEOUT_S, **who) as client:
            yield client
    finally:
        logger.setLevel(level)


async def _exists(client: "Client", session: str) -> bool:
    from ...domain.errors import NotFound

    try:
        await client.show(session)
    except NotFound:
        return False
    return True


def printed(as_json: bool, said: str, /, **members: Any) -> None:
    """Print what was done: a sentence for people, or an object on a line, without what is None."""
    if as_json:
        import orjson

        shown = {name: value for name, value in members.items() if value is not None}
        click.echo(orjson.dumps(shown).decode())
    else:
        from ..text.console import printable

        click.echo(printable(said))
