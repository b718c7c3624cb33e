"""The connection: kept up by one task, over as many sockets as it takes.

    connecting ──► connected ──► reconnecting ──► connected …        (any) ──► closed

At each new socket the gateway is told everything that it must know, in this order: who this is, every subscription
from the place it reached, every command that was not answered, oldest first. New commands follow. A gateway that closes
with a code of 4500 to 4999 or 1009, or refuses the handshake, has said that trying again makes no sense: then, and when
the client is closed, all that waits is failed.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, NoReturn

import aiohttp

from ...domain.errors import Refused, StenogramError
from ..errors import ClientClosed, ClientError, from_close
from .backoff import Backoff
from .command_queue import CommandQueue
from .faults import in_words, status_in_words
from .http import Http
from .identity import Identity
from .outbox import Outbox, Outgoing, Wire, encode
from .subscription_registry import SubscriptionRegistry
from .websocket import LinkLost, WebSocketLink

State = Literal["connecting", "connected", "reconnecting", "closed"]
HANDSHAKE_TIMEOUT_S = 10.0
FLUSH_TIMEOUT_S = 1.0
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
RETRIED_STATUS = (408, 425, 429)
FINAL_STATUS = {401: 4501, 403: 4503, 404: 4500}

logger = logging.getLogger("stenogram.client")
OnState = Callable[[State], None]


class Connection:
    """What outlives a socket. `run` is the one task; everything else only leaves things for it."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, identity: Identity, backoff: Backoff, on_state: OnState | None
    ) -> None:
        self.outbox = Outbox()
        self.commands = CommandQueue(self.outbox)
        self.subscriptions = SubscriptionRegistry(self.outbox)
        self.http = Http(http, url, identity)
        self.state: State = "connecting"
        self.welcome: Wire = {}
        self.trouble = "cannot be reached: no attempt was made."
        self.silence_s = math.inf
        self._http = http
        self._url = f"{url}/v1/ws"
        self.identity = identity
        self._backoff = backoff
        self._on_state = on_state
        self._changed = asyncio.Event()
        self._error: StenogramError | None = None
        self._troubled = False

    async def run(self) -> None:
        """Keep the connection up until cancelled or told for good. Never raises but when cancelled."""
        error: StenogramError | None = None
        try:
            await self._keep_up()
        except StenogramError as refusal:
            error = refusal
        except Exception as fault:
            logger.exception("The client failed")
            error = ClientError(f"The client failed: {fault!r}")
        finally:
            self.end(error)

    def heartbeat_within(self, seconds: float) -> None:
        """Never be silent for longer, now and on later sockets: a lease runs out in silence."""
        self.silence_s = min(self.silence_s, seconds)

    def show_progress(self, session: str, task: str) -> None:
        """Send a heartbeat that names a task; none, while there is no connection."""
        self.outbox.put(Outgoing(encode({"frame": "heartbeat", "progress": {session: [task]}})))

    async def ready(self) -> None:
        """Wait for the first connection. Raises what made it impossible."""
        while self.state == "connecting":
            # `_changed` is replaced at each change: nothing can clear it between the change and this wake-up.
            await self._changed.wait()
        if self.state == "closed":
            raise (self._error or ClientClosed("The client is closed.")).with_traceback(None)

    async def states(self) -> AsyncIterator[State]:
        """The present state, then each new one; of several changes in one turn of the loop only the last is seen."""
        last: State | None = None
        while last != "closed":
            while last == self.state:
                await self._changed.wait()
            last = self.state
            yield last

    async def flush(self) -> None:
        """Hand to the socket what waits for it, unless that takes longer than a second."""
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await self.outbox.drained()
        except TimeoutError:
            logger.debug("Closed with frames unsent")

    def end(self, error: StenogramError | None = None) -> None:
        """Fail all that waits, and all that comes. Idempotent."""
        if self.state == "closed":
            return
        # The error before the failures: who is woken by them and asks again must get it, too. The state last: then all
        # that `ready` and `states` let go on sees everything ended.
        self._error = error
        self.commands.fail(error or ClientClosed("The client was closed."))
        self.subscriptions.end(error)
        self._enter("closed")

    async def _keep_up(self) -> None:
        while True:
            try:
                await self._live_once()
            except LinkLost as lost:
                self.trouble = f"takes no connection: {lost.refusal}" if lost.refusal else f"cannot be reached: {lost}."
                if lost.final is not None:
                    raise lost.final from None
                delay = self._backoff.next(lost.retry_after)
                self._log_trouble(lost, delay)
            if self.state == "connected":  # a first connection that does not come about stays "connecting"
                self._enter("reconnecting")
            await asyncio.sleep(delay)

    async def _live_once(self) -> NoReturn:
        """One socket from beginning to end; always raises."""
        link = await self._open()
        try:
            limits = self.welcome.get("limits", {})
            self.commands.limit(int(limits.get("frame_bytes", self.commands.frame_bytes)))
            # Before the frames are built: places that were reached on this connection name its epoch.
            self.subscriptions.epoch = self.welcome["epoch"]
            # In one step, without an await: a command that is submitted now comes behind all that is older. And
            # subscriptions first, so that a stream that began before a command was given holds its events.
            self.outbox.open([*self.subscriptions.resubscribe(), *self.commands.unanswered()])
            self._troubled = False
            self._enter("connected")
            await link.serve()
        finally:
            # Before the socket is closed, which takes up to a second: what is put meanwhile belongs to the next one.
            self.outbox.close()
            await link.close()

    async def _open(self) -> WebSocketLink:
        """Connect and say hello. Raises LinkLost."""
        link: WebSocketLink | None = None
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                hello = await self._hello()
                socket = await self._http.ws_connect(self._url, max_msg_size=MAX_MESSAGE_BYTES, compress=0)
                link = WebSocketLink(socket, self.outbox, self._on_frame, lambda: self.silence_s)
                self.welcome = await link.greet(hello)
                return link
        except aiohttp.WSServerHandshakeError as error:
            raise _refused(error) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await _close(link)
            raise LinkLost(in_words(error)) from None
        except BaseException:  # cancelled: the socket is not this method's caller's yet, nobody else would close it
            await _close(link)
            raise

    async def _hello(self) -> dict[str, Any]:
        """The first frame. A callable that cannot give a token now is asked again later."""
        try:
            return await self.identity.hello()
        except Refused:
            raise
        except Exception as error:
            raise LinkLost(f"no token: {error!r}") from error

    def _on_frame(self, frame: Wire, cost: int) -> None:
        match frame.get("frame"):
            case "ack":
                # Not at the welcome: a gateway that lets everyone in and then fails must not be asked without a pause.
                self._backoff.reset()
                self.commands.on_ack(frame)
            case "refused" if "id" in frame:
                self.commands.on_refused(frame)
            case "events" | "caught_up" | "gap" | "view" | "refused" if "sub" in frame:
                self._backoff.reset()
                self.subscriptions.on_frame(frame, cost)

    def _log_trouble(self, lost: LinkLost, delay: float) -> None:
        """Warn once that there is no connection; until there is one, further attempts are logged as information."""
        level = logging.INFO if self._troubled else logging.WARNING
        self._troubled = True
        logger.log(level, "Not connected to %s: %s; trying again in %.2f s", self._url, lost, delay)

    def _enter(self, state: State) -> None:
        self.state = state
        self._changed.set()  # wakes all who wait for this change;
        self._changed = asyncio.Event()  # those who wait from now on wait for the next
        if self._on_state is not None:
            try:
                self._on_state(state)
            except Exception:
                logger.exception("on_state failed")


def _refused(error: aiohttp.WSServerHandshakeError) -> LinkLost:
    """What an HTTP status in place of the WebSocket means: of the client's errors, few go away by themselves."""
    why = status_in_words(error.status)
    if 400 <= error.status < 500 and error.status not in RETRIED_STATUS:
        return LinkLost(why, final=from_close(FINAL_STATUS.get(error.status, 4500), why))
    return LinkLost(why)


async def _close(link: WebSocketLink | None) -> None:
    if link is not None:
        await link.close()
