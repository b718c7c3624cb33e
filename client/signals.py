"""Interruptions of a session: raised by anyone, on any device, and followed until they are answered."""

from typing import Any

from ..domain.concepts.signals import SESSION, Signal, SignalKind
from ..domain.errors import NoChange
from ..domain.ids import new_id
from .arguments import To, drop_none, names
from .session_port import SessionPort


class SignalBoard:
    """The signals of a session (`session.signals`). A `target` is `session`, or `agent:hotels`, `task:t-3`,
    `message:m1`. Raising returns the signal's id, once it is recorded: it reaches those whom it concerns even if they
    come later, and disconnecting takes nothing back. Raising what an open signal says already returns that one.

    `to` is who may see the signal and how it is answered, besides you and those whom it concerns; a signal at a task or
    a message has that one's audience, and takes none. (Of a reroute it is who gets the work.)

    `grace`: seconds that those whom it concerns get to stop in good order (10 for `cancel` and `reroute`); then the
    work ends without them. 0 is at once.
    """

    def __init__(self, session: SessionPort) -> None:
        self._session = session

    @property
    def open(self) -> list[Signal]:
        """Those that somebody has yet to answer, the oldest first."""
        return self._session.live.state.signals.in_order()

    async def cancel(self, target: str = SESSION, *, grace: float | None = None, to: To | None = None) -> str:
        """Stop the work on the target, for good."""
        return await self._raise("cancel", target, grace=grace, audience=names(to))

    async def pause(self, target: str = SESSION, *, to: To | None = None) -> str:
        """Hold what the target writes, until `resume`."""
        return await self._raise("pause", target, audience=names(to))

    async def resume(self, target: str = SESSION, *, to: To | None = None) -> str:
        """Go on."""
        return await self._raise("resume", target, audience=names(to))

    async def steer(self, target: str, instruction: Any, *, to: To | None = None) -> str:
        """Give those who work on the target a new instruction (any JSON value), and let them go on."""
        return await self._raise("steer", target, body=instruction, audience=names(to))

    async def withdraw(self, signal: str, *, reason: str | None = None) -> None:
        """Take back an instruction of yours (`steer`). Those who have not read it never will. Raises Conflict when all
        have answered it."""
        await self._session.do("signal.withdraw", drop_none(signal=signal, reason=reason))

    async def reroute(
        self, target: str, *, to: str | None = None, input: Any = None, grace: float | None = None
    ) -> str:
        """Take a task, or all that an agent holds, and put it back on the board: for `to`, or for anyone; with a new
        `input`, or the same."""
        return await self._raise("reroute", target, to=to, body=input, grace=grace)

    async def settled(self, signal: str) -> Signal:
        """Wait until a signal is answered by all whom it concerns, or its grace has run out; the signal then."""

        def answered() -> Signal | None:
            known = self._session.live.state.signals.known.get(signal)
            return None if known is None or known.status == "open" else known

        found = await self._session.live.until(answered)
        assert found is not None
        return found

    async def honour(self, signal: str, *, reason: str | None = None) -> None:
        """Say that you do what was wanted; an `Agent` does that by itself."""
        await self._answer("signal.honour", signal, reason)

    async def refuse(self, signal: str, *, reason: str | None = None) -> None:
        """Say that you will not."""
        await self._answer("signal.refuse", signal, reason)

    async def _raise(self, kind: SignalKind, target: str, **more: Any) -> str:
        signal = new_id()
        try:
            await self._session.do("signal.raise", drop_none(signal=signal, kind=kind, target=target, **more))
        except NoChange as known:
            return str(known.extra["signal"])
        return signal

    async def _answer(self, do: str, signal: str, reason: str | None) -> None:
        cause = self._session.live.began(f"signal:{signal}") if self._session.followed else None
        data = drop_none(signal=signal, reason=reason)
        await self._session.commands.do(self._session.id, do, data, cause=cause)
