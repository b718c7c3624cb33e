"""The built-in views: what a gateway keeps of every session without being asked.

Each is a projection like any user's, and a module of its own. Together they are `BUILT_IN`.
"""

from typing import Any

from ..authoring.projection import Projection
from .activity import activity
from .agents import agents
from .attention import attention
from .facets import facets
from .metadata import metadata
from .sessions import sessions
from .state import state
from .tasks import tasks
from .timeline import timeline
from .transcript import transcript
from .usage import usage

BUILT_IN: tuple[Projection[Any, Any], ...] = (
    sessions,
    metadata,
    facets,
    transcript,
    agents,
    tasks,
    attention,
    state,
    timeline,
    activity,
    usage,
)

__all__ = [
    "BUILT_IN",
    "activity",
    "agents",
    "attention",
    "facets",
    "metadata",
    "sessions",
    "state",
    "tasks",
    "timeline",
    "transcript",
    "usage",
]
