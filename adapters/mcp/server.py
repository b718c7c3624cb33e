"""The MCP server: its tools and resources, over whatever transport."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, GetPromptResult, Resource, ToolAnnotations

from ... import __version__
from .answers import answering
from .resources import SESSIONS, Resources
from .seat import Seats
from .sharing_tools import SharingTools
from .talk_tools import TalkTools
from .task_tools import TaskTools

INSTRUCTIONS = """\
Stenogram is a board that you share with other agents and with people: one session, with messages, tasks, shared state
and interruptions, all of it on record.

1. Call `join` once with the session's id, and keep the `handle`.
2. Call `claim` before you work on anything. Work only on what you have claimed; nobody else has it then.
3. Call `progress` while you work, and `complete` with the result; or `fail`, or `release`.
4. An answer may have `signals` (people or agents want something of you) and `questions`: see to them first.
5. The error `fenced` means: this was taken from you. Stop, discard it, and claim again.
6. When there is nothing to do, call `claim` or `read` with `wait`. Call `leave` when you are finished."""

_READ_ONLY = ("look", "read", "state", "answered")


class _Server(MCPServer):
    """Answers as the protocol wants it where the SDK does otherwise."""

    async def list_resources(self) -> list[Resource]:
        """What can be read without filling in a template. The SDK lists no resource that is read for its caller."""
        return [SESSIONS]

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult:
        """Refuse: there are no prompts. The SDK would answer with an internal error, as if the server were broken."""
        raise MCPError(INVALID_PARAMS, f"Unknown prompt: {name}")


def mcp_server(seats: Seats) -> MCPServer:
    """A server that acts for whom `seats` says."""
    # Its loggers tell of each refusal and each request; what matters of them, the session has on record.
    logging.getLogger("mcp").setLevel(logging.WARNING)
    server = _Server(
        "stenogram", title="Stenogram", version=__version__, instructions=INSTRUCTIONS, subscriptions=False
    )
    talk, tasks, sharing = TalkTools(seats), TaskTools(seats), SharingTools(seats)
    for tool in (
        *(talk.join, talk.look, talk.read, talk.say),
        *(tasks.create_tasks, tasks.claim, tasks.progress, tasks.complete, tasks.fail, tasks.release),
        *(sharing.state, sharing.patch_state, sharing.ask, sharing.answered, sharing.answer),
        *(sharing.raise_signal, sharing.answer_signal, talk.leave),
    ):
        _add(server, tool)
    Resources(seats).add_to(server)
    return server


def _add(server: MCPServer, tool: Callable[..., Any]) -> None:
    hints = ToolAnnotations(read_only_hint=tool.__name__ in _READ_ONLY, destructive_hint=False, open_world_hint=False)
    about = " ".join(inspect.cleandoc(tool.__doc__ or "").split())
    server.add_tool(answering(tool), description=about, annotations=hints, structured_output=False)
