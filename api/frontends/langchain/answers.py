"""What the protocol's routes answer that is no stream."""

from collections.abc import Mapping
from typing import Any, Literal

from ...http.answer import HttpAnswer


class CommandDoneAnswer(HttpAnswer):
    """A command was carried out. `meta` says up to which `seq` events were there before."""

    type: Literal["success"]
    id: int
    result: dict[str, Any]
    meta: dict[str, Any]


class ThreadStateAnswer(HttpAnswer):
    """A thread as it is: what was said and the shared state, which agents have runs under way, and the questions that
    wait for an answer."""

    values: Mapping[str, Any]
    next: list[str]
    tasks: list[dict[str, Any]]
    checkpoint: dict[str, Any]
    metadata: dict[str, Any]
    created_at: str | None = None
    parent_checkpoint: dict[str, Any] | None = None


class RunsStoppedAnswer(HttpAnswer):
    """Which runs are being stopped now."""

    stopped: list[str]
