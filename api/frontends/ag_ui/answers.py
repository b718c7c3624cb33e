"""What AG-UI's routes answer that is no stream."""

from collections.abc import Iterable
from typing import Any

from .... import __version__
from ...http.answer import HttpAnswer
from . import OURS


class CapabilitiesAnswer(HttpAnswer):
    """What agents here can do, as AG-UI 1.0 says it (AgentCapabilities)."""

    identity: dict[str, Any]
    transport: dict[str, Any]
    tools: dict[str, Any]
    state: dict[str, Any]
    multiAgent: dict[str, Any]
    reasoning: dict[str, Any]
    humanInTheLoop: dict[str, Any]
    custom: dict[str, Any]


class RuntimeInfoAnswer(HttpAnswer):
    """What CopilotKit's runtime says of itself."""

    version: str
    agents: dict[str, dict[str, Any]]
    audioFileTranscriptionEnabled: bool
    mode: str


class StoppedAnswer(HttpAnswer):
    """Which runs are being stopped now."""

    success: bool
    stopped: list[str]


class PublishedAnswer(HttpAnswer):
    """What was published: how many events were read, the messages, and how the run ended."""

    events: int
    messages: list[str]
    result: Any = None
    error: str | None = None
    interrupts: list[str]


def capabilities() -> CapabilitiesAnswer:
    """What holds for every agent, since the session has it."""
    return CapabilitiesAnswer(
        identity={"name": OURS, "type": OURS, "version": __version__},
        transport={"streaming": True, "websocket": True, "httpBinary": False, "resumable": True},
        tools={"supported": True, "clientProvided": True},
        state={"snapshots": True, "deltas": True, "persistentState": True},
        multiAgent={"supported": True},
        reasoning={"supported": True, "streaming": True},
        humanInTheLoop={"supported": True, "approvals": True, "interrupts": True},
        custom={OURS: {"resume": "Last-Event-ID"}},
    )


def runtime_info(agents: Iterable[str]) -> RuntimeInfoAnswer:
    """The agents that pages are told of."""
    known = capabilities().model_dump()
    described = {id: {"name": id, "description": "", "capabilities": known} for id in dict.fromkeys(agents)}
    return RuntimeInfoAnswer(version=__version__, agents=described, audioFileTranscriptionEnabled=False, mode="sse")
