"""The Python client: agents and services speak to a gateway through it.

    Client ── Connection ── WebSocketLink          one socket after another
                 ├── CommandQueue                  sent in order, kept until answered
                 ├── SubscriptionRegistry          each Subscription with its place and a sink:
                 │                                 EventBuffer (streams) or LiveSession (sessions)
                 └── Http                          questions that need no subscription
    Session                                        what one works with; its handles:
      ├── MessageStream, ToolCall, Producer        writing, in blocks
      ├── SharedState, TaskBoard, SignalBoard, Approvals, Floor
      ├── ViewReader                               `view("agents")`: what the gateway has folded
      └── LiveSession                              `live`: what is folded here
    Agent                                          an agent at work
      ├── Claims, ClaimedTask                      tasks, each in a block that can be cancelled
      ├── SignalDispatcher, Steering               interruptions, brought to the work they are aimed at
      └── StatusStack, Speech                      what others see and hear of it

    Worker                                         one agent at work in all sessions of a kind
      ├── TaskFinder, OpenTasks                    where there is something to do, by one subscription
      └── ServedSession                            an Agent in each session that was joined

The folders are `membership` (joining, leaving, following), `agent`, `worker`, and `transport` (how frames come and go);
imports lead downward only. `stenogram.domain.errors` holds what the gateway may refuse, `errors` here what may fail on
this side.
"""

from ..domain.concepts.approvals import Answer, Question
from .agent.agent import Agent
from .agent.claimed_task import ClaimedTask, Outcome
from .agent.claims import Accepts, Claims
from .agent.error_policy import OnError
from .agent.speech import Speech
from .agent.steering import Steering
from .approvals import ApprovalAnswer, Approvals
from .arguments import To
from .client import Client
from .errors import ClientClosed, ClientError, HistoryGone, NotDone, Unanswered, Unreachable
from .floor import Floor
from .membership.live_session import LiveSession
from .message import MessageStream
from .producer import Producer
from .publishing import Published
from .session import Posted, Session
from .signals import SignalBoard
from .state import SharedState
from .tasks import TaskBoard
from .tool import ToolCall
from .transport.backoff import Backoff
from .transport.command_queue import Ack
from .transport.connection import State
from .transport.document_stream import DocumentStream, ViewDocument
from .transport.event_stream import EventStream, LogEntry, LogStream
from .transport.http import EventPage
from .transport.identity import Token
from .transport.subscription import Place, Reading
from .view_reader import Moment, ViewReader, ViewRows
from .worker.handler import Work, WorkErrors
from .worker.worker import Worker

__all__ = [
    "Accepts",
    "Ack",
    "Agent",
    "Answer",
    "ApprovalAnswer",
    "Approvals",
    "Backoff",
    "ClaimedTask",
    "Claims",
    "Client",
    "ClientClosed",
    "ClientError",
    "DocumentStream",
    "EventPage",
    "EventStream",
    "Floor",
    "HistoryGone",
    "LiveSession",
    "LogEntry",
    "LogStream",
    "MessageStream",
    "Moment",
    "NotDone",
    "OnError",
    "Outcome",
    "Place",
    "Posted",
    "Producer",
    "Published",
    "Question",
    "Reading",
    "Session",
    "SharedState",
    "SignalBoard",
    "Speech",
    "State",
    "Steering",
    "TaskBoard",
    "To",
    "Token",
    "ToolCall",
    "Unanswered",
    "Unreachable",
    "ViewDocument",
    "ViewReader",
    "ViewRows",
    "Work",
    "WorkErrors",
    "Worker",
]
