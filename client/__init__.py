"""The Python client: agents and services speak to a gateway through it.

    Client ── Connection ── Link (one socket after another)
                 ├── Commands        sent in order, kept until answered
                 └── Subscriptions   each with its place; a sink each: Buffer (streams) or View (sessions)
    Session, MessageStream, ToolCall, SharedState: what one works with
    Board, SignalBox, Approvals, Floor: the team's tasks, interruptions, questions, and who may speak
    Agent, ClaimedTask, Speech, Steering: an agent at work

`stenogram.domain.errors` holds what the gateway may refuse, `errors` here what may fail on this side.
"""

from .agent import Agent
from .backoff import Backoff
from .claimed import ClaimedTask, Outcome
from .client import Client
from .commands import Ack
from .connection import State
from .errors import ClientClosed, ClientError, HistoryGone, NotDone, Unanswered, Unreachable
from .following import Following
from .http import Page
from .identity import Token
from .kept import Document, Kept, Rows
from .message import MessageStream
from .session import Posted, Session
from .state import SharedState
from .stream import Entry, EventStream, LogStream
from .subscription import Reading
from .tool import ToolCall

__all__ = [
    "Ack",
    "Agent",
    "Backoff",
    "ClaimedTask",
    "Client",
    "ClientClosed",
    "ClientError",
    "Document",
    "Entry",
    "EventStream",
    "Following",
    "HistoryGone",
    "Kept",
    "LogStream",
    "MessageStream",
    "NotDone",
    "Outcome",
    "Page",
    "Posted",
    "Reading",
    "Rows",
    "Session",
    "SharedState",
    "State",
    "Token",
    "ToolCall",
    "Unanswered",
    "Unreachable",
]
