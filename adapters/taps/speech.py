"""What the agents of a run say and call, written into the session by the client's own handles."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from ...client.arguments import To
from ...client.message import MessageStream
from ...client.session import Session
from ...client.tool import ToolCall
from ...domain.errors import Invalid, TooDeep, TooLarge
from ...domain.parts import StreamedKind
from ..recordings.session_lines import slug
from .run_record import CallRecord, MessageRecord, RunRecord
from .steps import Called, Ended, Returned, Speaker, StreamedText
from .values import sound


class Audiences(NamedTuple):
    """Who may see what agents do, and what sub-agents do."""

    agents: To | None
    sub_agents: To | None

    def of(self, speaker: Speaker) -> To | None:
        """Who may see what this one does."""
        return self.sub_agents if speaker.is_sub else self.agents


class _Message:
    """A message that is open in the session; its block ends with it."""

    def __init__(self, stream: MessageStream, block: AsyncExitStack) -> None:
        self.stream = stream
        self.block = block
        self._written: dict[str, list[str]] = {}

    async def write(self, text: str, part: str) -> None:
        """The next piece."""
        kind: StreamedKind | None = "reasoning" if part == "reasoning" else None
        self._written.setdefault(part, []).append(text)
        await self.stream.write(sound(text), kind)

    def missing(self, part: str, whole: str) -> str:
        """What is yet to be written of the whole. If it does not begin with what was written, that counts."""
        written = "".join(self._written.get(part, ()))
        return whole[len(written) :] if whole.startswith(written) else ""


class Speech:
    """What is open of one run. `session_of` gives the session as an agent writes to it."""

    def __init__(
        self, run: RunRecord, audiences: Audiences, session_of: Callable[[Speaker], Awaitable[Session]]
    ) -> None:
        self._run = run
        self._audiences = audiences
        self._session_of = session_of
        self._messages: dict[str, _Message] = {}
        self._calls: dict[str, tuple[ToolCall, AsyncExitStack]] = {}

    async def start(self, message: MessageRecord) -> None:
        """Begin a message."""
        session = await self._session_of(message.speaker)
        stream = session.stream_message(
            to=self._audiences.of(message.speaker),
            message=message.id,
            metadata={"agent": message.speaker.name, "run": self._run.id, **message.metadata},
            window=0.0,  # what comes here has gathered already
        )
        block = AsyncExitStack()
        await block.enter_async_context(stream)
        self._messages[message.id] = _Message(stream, block)

    async def write(self, message: MessageRecord, text: str, part: str) -> None:
        """Send what has gathered; nothing, of a message that could not be begun."""
        known = self._messages.get(message.id)
        if known is not None and text:
            await known.write(text, part)

    async def end(self, end: Ended) -> None:
        """Complete a message, or abort it."""
        known = self._messages.pop(end.message.id, None)
        if known is None:
            return
        stream = known.stream
        stream.usage = None if end.usage is None else dict(end.usage)
        metadata = {**end.metadata, **({"dropped": end.dropped} if end.dropped else {})}
        stream.metadata = metadata or None
        try:
            if end.reason is not None:
                await stream.abort(end.reason)
            for part, whole in _by_part(end.whole or ()):
                if missing := known.missing(part, whole):
                    await known.write(missing, part)
        finally:
            await known.block.aclose()

    async def call(self, called: Called) -> None:
        """Begin a call."""
        call = called.call
        session = await self._session_of(call.speaker)
        arguments = None if called.arguments is None else called.arguments.loaded()
        try:
            await self._enter(session, call, arguments)
        except (TooLarge, TooDeep, Invalid):
            await self._enter(session, call, None)

    async def give_back(self, returned: Returned) -> None:
        """End a call."""
        tool, block = self._calls.pop(returned.call.id, (None, AsyncExitStack()))
        if tool is None:
            return
        tool.result = None if returned.result is None else returned.result.loaded()
        tool.error = None if returned.error is None else sound(returned.error)
        tool.metadata = {"dropped": True} if returned.dropped else None
        await block.aclose()

    def let_go(self) -> None:
        """Forget what is open: whoever leaves the session ends it."""
        self._messages.clear()
        self._calls.clear()

    async def _enter(self, session: Session, call: CallRecord, arguments: object) -> None:
        tool = session.tool(
            slug(call.tool),
            arguments,
            to=self._audiences.of(call.speaker),
            message=None if call.message is None or call.message.id is None else call.message.id,
            call=call.id,
            metadata={"name": call.tool, "agent": call.speaker.name, "run": self._run.id, **call.metadata},
        )
        block = AsyncExitStack()
        await block.enter_async_context(tool)
        self._calls[call.id] = (tool, block)


def _by_part(whole: Sequence[StreamedText]) -> list[StreamedText]:
    """All text of each kind as one."""
    kinds = dict.fromkeys(part for part, _ in whole)
    return [(kind, "".join(text for part, text in whole if part == kind)) for kind in kinds]
