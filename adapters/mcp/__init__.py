"""An MCP server (Model Context Protocol): what speaks MCP takes part in sessions. `stenogram mcp` runs it over stdio,
and a gateway serves it at `/mcp`.

    Seats ── Seat          a participant's run in a session, by its handle; each call is a request to the gateway
      ├── TaskTools        create, claim, progress, complete, fail, release
      ├── TalkTools        join, look, read, say, ask, leave
      ├── SharingTools     state, signals, answers
      └── Resources        sessions, transcripts, boards

Nothing is kept between calls: a handle says which participant, session and run a call comes from, and that of a task
also which attempt, so any gateway can serve any call, and a client that was taken for lost is fenced all the same.
Nothing is sent while no call is made: a client that makes none for its lease is lost, whether its process lives or not.
"""

from .caller import Caller
from .endpoint import mcp_endpoint
from .handle import Handle
from .stdio import serve_stdio

__all__ = ["Caller", "Handle", "mcp_endpoint", "serve_stdio"]
