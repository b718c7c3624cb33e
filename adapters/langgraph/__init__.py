"""Checkpoints of LangGraph in sessions: a `BaseCheckpointSaver` whose threads are sessions of a gateway.

graph = builder.compile(checkpointer=StenogramSaver("http://127.0.0.1:8600", participant="planner"))
"""

from .saver import StenogramSaver

__all__ = ["StenogramSaver"]
