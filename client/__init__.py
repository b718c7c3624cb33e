"""The Python client: agents and services speak to a gateway through it.

    Client ── Connection ── Link (one socket after another)
                 ├── Commands        sent in order, kept until answered
                 └── Subscriptions   each with its place; a sink each: Buffer (streams) or View (sessions)
    Session, MessageStream, ToolCall, SharedState: what one works with
    Board, SignalBox, Approvals, Floor: the team's tasks, interruptions, questions, and who may speak
    Agent, ClaimedTask, Speech, Steering: an agent at work

`stenogram.domain.errors` holds what the gateway may refuse, `errors` here what may fail on this side.
"""

from .agent.agent import Agent
from .agent.claimed_task import ClaimedTask, Outcome
from .approvals import ApprovalAnswer
from .client import Client
from .errors import ClientClosed, ClientError, HistoryGone, NotDone, Unanswered, Unreachable
from .message import MessageStream
from .session import Posted, Session
from .state import SharedState
from .tool import ToolCall
from .transport.backoff import Backoff
from .transport.command_queue import Ack
from .transport.connection import State
from .transport.document_stream import DocumentStream
from .transport.event_stream import EventStream, LogEntry, LogStream
from .transport.http import EventPage
from .transport.identity import Token
from .transport.subscription import Reading
from .view_reader import ViewDocument, ViewReader, ViewRows

__all__ = [
    "Ack",
    "Agent",
    "ApprovalAnswer",
    "Backoff",
    "ClaimedTask",
    "Client",
    "ClientClosed",
    "ClientError",
    "DocumentStream",
    "EventPage",
    "EventStream",
    "HistoryGone",
    "LogEntry",
    "LogStream",
    "MessageStream",
    "NotDone",
    "Outcome",
    "Posted",
    "Reading",
    "Session",
    "SharedState",
    "State",
    "Token",
    "ToolCall",
    "Unanswered",
    "Unreachable",
    "ViewDocument",
    "ViewReader",
    "ViewRows",
]
