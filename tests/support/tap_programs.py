"""Programs of each framework that a tap records, and what the framework itself says they produced."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage

from stenogram.adapters.taps.claude_agent_sdk import ClaudeAgentSDKTap
from stenogram.adapters.taps.google_adk import GoogleADKTap
from stenogram.adapters.taps.langgraph import LangGraphTap
from stenogram.adapters.taps.openai_agents import OpenAIAgentsTap
from stenogram.adapters.taps.pydantic_ai import PydanticAITap
from stenogram.adapters.taps.tap import Tap


@dataclass
class Produced:
    """What agents said, and their tool calls (tool, arguments, result), in order, as the framework tells of it."""

    words: list[tuple[str, str]] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    tools: list[tuple[str, str, Any, Any]] = field(default_factory=list)
    output_tokens: int = 0


@dataclass(frozen=True)
class How:
    """How a program is run: which city it is about; a `pause` after each word; `fails_at`: the word at which the last
    model fails; `on_word` is called with each."""

    about: str = "Lisbon"
    pause: float = 0.0
    fails_at: int | None = None
    on_word: Callable[[str], None] = lambda word: None


class Program(ABC):
    """Three agents that find a hotel."""

    name: str
    """What the framework is called."""
    last: str
    """The agent that speaks last."""
    subs: tuple[str, ...]
    """Those that work in tools."""
    makes: type[Tap]
    """The framework's tap."""
    error: type[Exception] = ConnectionError
    """What the program gets when the model's connection is lost."""

    def tap(self, url: str, **options: Any) -> Tap:
        """The line to add."""
        return self.makes(url, **options)

    async def run(self, tap: Tap, session: str, **how: Any) -> Produced:
        """Run it, streamed: as the members of `How` say."""
        return await self.play(tap, session, How(**how))

    @abstractmethod
    async def play(self, tap: Tap, session: str, how: How) -> Produced:
        """Run it."""


class LangGraphProgram(Program):
    """A graph."""

    name, last, subs, makes = "langgraph", "writer", (), LangGraphTap

    async def play(self, tap: Tap, session: str, how: How) -> Produced:
        from support.langgraph_team import Scripted, team

        said = AIMessage(f"Dear Maya, Casa Azul in {how.about}.")
        writer = Scripted(script=[said], fails_at=how.fails_at, pause=how.pause)
        graph, produced = team(how.about, how.pause, writer=writer), Produced()
        config: Any = {"callbacks": [tap], "configurable": {"thread_id": session}}
        stream = graph.astream({"messages": "A hotel?"}, config, stream_mode=["messages", "updates"], subgraphs=True)
        asked: dict[str, Any] = {}
        async for namespace, mode, told in stream:
            if mode == "messages":
                how.on_word(str(told[0].content))
                continue
            for node, update in told.items():
                who = namespace[0].partition(":")[0] if namespace else node
                for message in update["messages"] if not (who == "researcher" and not namespace) else ():
                    _take(produced, who, message, asked)
        return produced


def _take(produced: Produced, who: str, message: Any, asked: dict[str, Any]) -> None:
    if isinstance(message, AIMessage):
        if message.content:
            produced.words.append((who, str(message.content)))
        if thought := message.additional_kwargs.get("reasoning_content"):
            produced.thoughts.append(thought)
        for call in message.tool_calls:
            asked[str(call["id"])] = call
        if message.usage_metadata:
            produced.output_tokens += message.usage_metadata["output_tokens"]
    elif isinstance(message, ToolMessage):
        call = asked[message.tool_call_id]
        produced.tools.append((who, call["name"], call["args"], message.content))


class OpenAIProgram(Program):
    """Agents, one of which hands over to another, who has the third as a tool."""

    name, last, subs, makes = "openai-agents", "booking", ("researcher",), OpenAIAgentsTap

    async def play(self, tap: Tap, session: str, how: How) -> Produced:
        from agents import RunConfig, Runner

        from support.openai_team import Scripted, call, team

        said = f"Dear Maya, Casa Azul in {how.about}."
        booking = Scripted(
            [call("ask_researcher", "c-1", input=how.about)], said, pause=how.pause, fails_at=how.fails_at
        )
        nested: list[Any] = []
        assert isinstance(tap, OpenAIAgentsTap)
        tap.install()
        result = Runner.run_streamed(
            team(how.about, how.pause, nested, booking=booking), "A hotel?", run_config=RunConfig(group_id=session)
        )
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                how.on_word(event.data.delta)
        return _produced(result, nested)


def _produced(result: Any, nested: list[Any], into: Produced | None = None) -> Produced:
    from agents import ItemHelpers

    produced = Produced() if into is None else into
    asked: dict[str, Any] = {}
    for item in result.new_items:
        who = item.agent.name.lower()
        match item.type:
            case "message_output_item":
                produced.words.append((who, ItemHelpers.text_message_output(item)))
            case "reasoning_item":
                produced.thoughts += [each.text for each in item.raw_item.summary]
            case "tool_call_item":
                asked[item.raw_item.call_id] = item.raw_item
            case "tool_call_output_item":
                raw = asked[item.raw_item["call_id"]]
                if raw.name == "ask_researcher" and nested:
                    _produced(nested.pop(0), [], produced)
                produced.tools.append((who, raw.name, json.loads(raw.arguments), item.output))
            case "handoff_output_item":
                to = item.target_agent.name
                produced.tools.append((item.source_agent.name.lower(), f"transfer_to_{to.lower()}", None, to))
    produced.output_tokens += sum(each.usage.output_tokens for each in result.raw_responses)
    return produced


class PydanticAIProgram(Program):
    """An agent with two others as tools."""

    name, last, subs, makes = "pydantic-ai", "concierge", ("researcher", "writer"), PydanticAITap

    async def play(self, tap: Tap, session: str, how: How) -> Produced:
        from support.pydantic_team import Scripted, team

        script = [
            [("thought", "Who can do this?"), "I ask.", ("research", {"city": how.about}, "c-1")],
            ("write", {"city": how.about}, "c-2"),
        ]
        said = f"Dear Maya, Casa Azul in {how.about}."
        asking = script if how.fails_at is None else script[1:]  # without words, which would fail
        concierge = Scripted(*asking, said, pause=how.pause, fails_at=how.fails_at)
        agent, results = team(tap, how.about, how.pause, concierge=concierge)

        async def watch(ctx: Any, events: Any) -> None:
            async for event in events:
                if event.event_kind == "part_delta":
                    how.on_word(getattr(event.delta, "content_delta", ""))

        result = await agent.run("A hotel?", conversation_id=session, event_stream_handler=watch)
        return _of_pydantic(result, results)


def _of_pydantic(result: Any, nested: list[Any]) -> Produced:
    produced, waiting = Produced(), list(nested)

    def take(who: str, messages: list[Any]) -> None:
        asked: dict[str, Any] = {}
        for message in messages:
            if message.kind == "response":
                produced.output_tokens += message.usage.output_tokens
            for part in message.parts:
                if part.part_kind == "text":
                    produced.words.append((who, part.content))
                elif part.part_kind == "thinking":
                    produced.thoughts.append(part.content)
                elif part.part_kind == "tool-call":
                    asked[part.tool_call_id] = part
                elif part.part_kind == "tool-return":
                    call = asked[part.tool_call_id]
                    take({"research": "researcher", "write": "writer"}[call.tool_name], waiting.pop(0).all_messages())
                    produced.tools.append((who, call.tool_name, call.args_as_dict(), part.content))

    take("concierge", result.all_messages())
    return produced


class GoogleADKProgram(Program):
    """An agent with one of the others as a tool, that transfers to the third."""

    name, last, subs, makes = "google-adk", "writer", ("researcher",), GoogleADKTap

    async def play(self, tap: Tap, session: str, how: How) -> Produced:
        from google.adk.agents import run_config
        from google.adk.apps import App
        from google.adk.runners import InMemoryRunner
        from google.genai import types

        from support.adk_team import Scripted, team

        seen: list[Any] = []
        writer = Scripted(script=[f"Dear Maya, Casa Azul in {how.about}."], pause=how.pause, fails_at=how.fails_at)
        plugin: Any = tap
        app = App(name="trips", root_agent=team(how.about, how.pause, seen, writer=writer), plugins=[plugin])
        runner = InMemoryRunner(app=app)
        await runner.session_service.create_session(app_name="trips", user_id="maya", session_id=session)
        produced, said = Produced(), types.Content(role="user", parts=[types.Part(text="A hotel?")])
        config = run_config.RunConfig(streaming_mode=run_config.StreamingMode.SSE)  # type: ignore[attr-defined]
        asked: dict[str, Any] = {}
        async with aclosing(
            runner.run_async(user_id="maya", session_id=session, new_message=said, run_config=config)
        ) as events:
            async for event in events:
                for part in (event.content.parts if event.content else None) or ():
                    if event.partial:
                        how.on_word(part.text or "")
                    else:
                        _of_adk(produced, event.author, part, asked, seen)
                if event.usage_metadata and not event.partial:
                    produced.output_tokens += event.usage_metadata.candidates_token_count or 0
        return produced


def _of_adk(produced: Produced, who: str, part: Any, asked: dict[str, Any], seen: list[Any]) -> None:
    if part.text:
        if part.thought:
            produced.thoughts.append(part.text)
        else:
            produced.words.append((who, part.text))
    elif part.function_call:
        asked[part.function_call.id] = part.function_call
    elif part.function_response:
        call = asked[part.function_response.id]
        if call.name == "researcher":  # what it says is all that ADK tells of it
            produced.tools.append(("researcher", "find_hotels", {"city": seen[0]}, f"Casa Azul in {seen[0]}"))
            produced.words.append(("researcher", part.function_response.response["result"]))
        answered = part.function_response.response  # ADK puts what is no object into one
        result = answered["result"] if {*answered} == {"result"} else answered
        produced.tools.append((who, call.name, call.args, result))


class ClaudeProgram(Program):
    """Claude with two sub-agents."""

    name, last, subs, makes = "claude-agent-sdk", "claude", ("agent-a1", "agent-a2"), ClaudeAgentSDKTap

    async def play(self, tap: Tap, session: str, how: How) -> Produced:
        from claude_agent_sdk import ClaudeAgentOptions, query

        from support.claude_team import Scripted, team

        assert isinstance(tap, ClaudeAgentSDKTap)
        lines = [_in(each, session) for each in team(how.about, how.pause, how.fails_at)]
        options = ClaudeAgentOptions(include_partial_messages=True)
        messages = query(prompt="A hotel?", options=options, transport=Scripted(lines))
        produced, asked = Produced(), dict[str, Any]()
        async for message in tap.watch(messages, "A hotel?"):
            _of_claude(produced, message, asked, how.on_word)
        return produced


def _in(line: Any, session: str) -> Any:
    return {**line, "session_id": session} if isinstance(line, dict) and "session_id" in line else line


def _of_claude(produced: Produced, message: Any, asked: dict[str, Any], on_word: Callable[[str], None]) -> None:
    from claude_agent_sdk import AssistantMessage, StreamEvent, TextBlock, ThinkingBlock, ToolResultBlock, ToolUseBlock

    if isinstance(message, StreamEvent):
        on_word(str(message.event.get("delta", {}).get("text", "")))
        return
    agent = {None: "claude", "c-1": "agent-a1", "c-3": "agent-a2"}.get(getattr(message, "parent_tool_use_id", None), "")
    for block in getattr(message, "content", None) or ():
        match block:
            case TextBlock(text=text):
                speaks = isinstance(message, AssistantMessage)
                produced.words.append((agent if speaks else "claude", text))
            case ThinkingBlock(thinking=text):
                produced.thoughts.append(text)
            case ToolUseBlock():
                asked[block.id] = (agent, block)
            case ToolResultBlock():
                who, call = asked[block.tool_use_id]
                result = message.tool_use_result or block.content
                produced.tools.append((who, call.name.lower(), call.input, result))
    if isinstance(message, AssistantMessage) and message.usage and isinstance(message.content[-1], TextBlock):
        produced.output_tokens += message.usage["output_tokens"]


PROGRAMS: list[Program] = [
    LangGraphProgram(),
    OpenAIProgram(),
    ClaudeProgram(),
    PydanticAIProgram(),
    GoogleADKProgram(),
]


async def cancelled_at(word: int, run: Callable[[Callable[[str], None]], Any]) -> None:
    """Run it, and cancel it from inside the program at that word."""
    heard, said = asyncio.Event(), 0

    def on_word(text: str) -> None:
        nonlocal said
        said += bool(text)
        if said >= word:
            heard.set()

    task = asyncio.ensure_future(run(on_word))
    waiting = asyncio.ensure_future(heard.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
