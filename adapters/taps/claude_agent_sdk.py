"""Runs of the Claude Agent SDK, recorded as they happen: around the messages that the program reads.

    tap = ClaudeAgentSDKTap("http://127.0.0.1:8600")
    async for message in tap.watch(query(prompt="Fix the login.", options=options), "Fix the login."):
        ...

What becomes of what is as for transcripts of Claude Code that are imported: entries of one message are one message, a
sub-agent is `agent-` and its id and its prompt a message for the team, a failed tool has its text as the error.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar, cast

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeSDKClient,
    ResultMessage,
    StreamEvent,
    TaskStartedMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from ..background import in_loop
from ..recordings.claude_code.entries import USAGE, text_of
from .run_record import CallRecord, MessageRecord, RunRecord, by_flag
from .steps import Speaker, StreamedText
from .tap import RunStopped, Tap, quietly
from .values import text_of as words_of

CLAUDE = "claude"
M = TypeVar("M")


class _Said:
    """A message that an agent is writing."""

    def __init__(self, id: str | None, message: MessageRecord) -> None:
        self.id = id
        self.message = message
        self.is_streamed = False
        self.whole: list[StreamedText] = []
        self.usage: dict[str, Any] | None = None
        self.stop: str | None = None

    def finish(self) -> None:
        """Nothing more of it comes."""
        self.message.end(self.whole, usage=self.usage, stop=self.stop, id=self.id)


class ClaudeAgentSDKTap(Tap):
    """Around the messages of `query`, `ClaudeSDKClient.receive_response` and `receive_messages`. The session of Claude
    is the session, unless a `session` was given. Words come one by one with `include_partial_messages`.

    With the `client`, a cancel interrupts it (`ClaudeSDKClient.interrupt`), and what it is told by steering is queried.
    `query` has no way in: a cancel ends it when the next message comes, by `RunStopped`, and a steer is refused.
    """

    framework = "claude-agent-sdk"

    async def watch(
        self, messages: AsyncIterator[M], prompt: str = "", client: ClaudeSDKClient | None = None
    ) -> AsyncIterator[M]:
        """The messages, each recorded before the program gets it. `prompt` is what Claude was asked."""
        run = _Run(self, prompt, client)
        try:
            async with aclosing(cast("AsyncGenerator[M, None]", messages)) as stream:
                async for message in stream:
                    if run.record is not None and run.record.stopping and client is None:
                        raise RunStopped
                    run.take(message)
                    yield message
        except BaseException as error:
            run.end(error=error)
            raise
        run.end()


class _Run:
    """What is open of a run; with the first message after a result the next one begins."""

    def __init__(self, tap: ClaudeAgentSDKTap, prompt: str, client: ClaudeSDKClient | None) -> None:
        self.record: RunRecord | None = None
        self._tap = tap
        self._prompt = prompt
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._said: dict[str, _Said] = {}
        self._calls: dict[str, CallRecord] = {}
        self._callers: dict[str, str] = {}
        self._agents: dict[str, str] = {}
        self._sent: set[asyncio.Task[None]] = set()

    @quietly
    def take(self, message: Any) -> None:
        """A message."""
        session = getattr(message, "session_id", None) or (getattr(message, "data", None) or {}).get("session_id")
        if self.record is None:
            self.record = self._begin(session)
        record, parent = self.record, getattr(message, "parent_tool_use_id", None)
        speaker = Speaker(CLAUDE) if parent is None else Speaker(f"agent-{self._agents.get(parent, parent)}", True)
        self._begun(parent)
        match message:
            case StreamEvent(event=event):
                self._event(record, speaker, event)
            case AssistantMessage():
                self._assistant(record, speaker, message)
            case UserMessage():
                self._user(record, speaker, message)
            case TaskStartedMessage(task_id=agent, tool_use_id=str() as call):
                self._agents[call] = agent
                self._begun(call)
            case ResultMessage():
                self._result(record, message)

    @quietly
    def end(self, error: BaseException | None = None) -> None:
        """No more messages come."""
        if self.record is not None:
            if error is None:
                self._finish_all()
            self._tap.finish(self.record, error=error)
            self.record = None

    def _begin(self, session: str | None) -> RunRecord:
        record = self._tap.begin(CLAUDE, self._prompt, self._prompt, session, steerable=self._client is not None)
        record.stop = by_flag
        if (client := self._client) is not None:
            record.stop = lambda: in_loop(self._loop, lambda: self._send(client.interrupt()))
            record.steer = lambda told: in_loop(self._loop, lambda: self._send(client.query(words_of(told))))
        return record

    def _send(self, call: Any) -> None:
        task = asyncio.ensure_future(call)
        self._sent.add(task)  # or nothing would hold it
        task.add_done_callback(self._sent.discard)

    def _message(self, record: RunRecord, speaker: Speaker, id: str | None, model: str | None) -> _Said:
        """The message of this id, which the agent may be writing already."""
        said = self._said.get(speaker.name)
        if said is None or said.id != id:
            self._finish(speaker.name)
            said = self._said[speaker.name] = _Said(id, record.message(speaker, model=model))
        return said

    def _event(self, record: RunRecord, speaker: Speaker, event: dict[str, Any]) -> None:
        delta = event.get("delta") or {}
        if event.get("type") == "message_start":
            about = event.get("message") or {}
            self._message(record, speaker, about.get("id"), about.get("model")).is_streamed = True
        elif (said := self._said.get(speaker.name)) is None:
            return
        elif event.get("type") == "content_block_delta" and delta.get("type") == "text_delta":
            said.message.write(str(delta.get("text", "")))
        elif event.get("type") == "content_block_delta" and delta.get("type") == "thinking_delta":
            said.message.write(str(delta.get("thinking", "")), "reasoning")

    def _assistant(self, record: RunRecord, speaker: Speaker, message: AssistantMessage) -> None:
        said = self._message(record, speaker, message.message_id, message.model)
        if message.usage:
            took = {name: message.usage[name] for name in USAGE if name in message.usage}
            said.usage = {"model": message.model, **took}
        said.stop = message.stop_reason or said.stop
        for block in message.content:
            match block:
                case TextBlock(text=text):
                    self._words(said, text, "text")
                case ThinkingBlock(thinking=text):
                    self._words(said, text, "reasoning")
                case ToolUseBlock(id=id, name=name, input=input):
                    self._callers[id] = speaker.name
                    self._calls[id] = record.call(speaker, name, input, said.message, id=id)

    def _words(self, said: _Said, text: str, part: str) -> None:
        said.whole.append((part, text))
        if not said.is_streamed:
            said.message.write(text, part)

    def _user(self, record: RunRecord, speaker: Speaker, message: UserMessage) -> None:
        blocks = message.content if isinstance(message.content, list) else [TextBlock(message.content)]
        for block in blocks:
            if isinstance(block, ToolResultBlock):
                self._begun(block.tool_use_id)
                if (call := self._calls.pop(block.tool_use_id, None)) is not None:
                    text = block.content if isinstance(block.content, str) else text_of(block.content)
                    result = block.content if message.tool_use_result is None else message.tool_use_result
                    call.end(result, (text or "It failed.") if block.is_error else None)
            elif isinstance(block, TextBlock) and speaker.is_sub:
                record.say(Speaker(CLAUDE, True), block.text, **{"for": speaker.name})  # for the team

    def _result(self, record: RunRecord, result: ResultMessage) -> None:
        cancelled = str(result.terminal_reason).startswith("aborted")
        if not cancelled:
            self._finish_all()
        record.end(result.result, result.subtype if result.is_error else None, cancelled=cancelled)
        self.record, self._said, self._calls = None, {}, {}

    def _begun(self, call: str | None) -> None:
        """A call is at work: the message that asked for it is over."""
        if call is not None and (caller := self._callers.pop(call, None)) is not None:
            self._finish(caller)

    def _finish(self, agent: str) -> None:
        if (said := self._said.pop(agent, None)) is not None:
            said.finish()

    def _finish_all(self) -> None:
        for agent in list(self._said):
            self._finish(agent)
