"""One event of a session, as events of the Agent Streaming Protocol. Pure, but for the snapshots that it asks for.

Who speaks under a run's task speaks in the thread's own namespace, and so do people; other agents have namespaces of
their own, under their ids. Each message is named by `run_id` in all of its events, so that several may be said at once
in one namespace.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from ....domain.audience import Viewer, visible
from ....domain.concepts.approvals import Approval
from ....domain.envelope import timestamp
from ....domain.parts import StreamedKind
from ..ag_ui.translation import end_of_message
from ..envelopes import Members, envelope, milliseconds, role_of, shown_id, text_in
from ..run_fold import RunStep
from ..session_facts import SessionFacts
from ..snapshot_steps import STATE, THREAD
from ..speech_fold import EventFact
from ..turn import RUN, is_run
from . import OURS

Snapshot = Callable[[str], dict[str, Any]]
"""Makes the thread's values (`THREAD`), the shared state alone (`STATE`), or the values of one agent."""
_ENDS = {"completed": "completed", "failed": "failed", "cancelled": "interrupted"}
_ASKED = ("question", "options", "answer_schema", "own_words", "questions", "default", "due")


class Shown(NamedTuple):
    """An event of the protocol. `label` tells it from others that come of the same event of the session; `run` is whose
    run's it is, where it is about one. Without `data` it is left out, since a later one replaces it; it has a place all
    the same, for others to have the one that they always have."""

    method: str
    namespace: tuple[str, ...]
    data: Any
    label: str
    run: str = ""

    @property
    def channel(self) -> str:
        """The channel that brings it."""
        if self.method == "custom":
            return f"custom:{self.data['name']}"
        return "input" if self.method.startswith("input.") else self.method


class Context(NamedTuple):
    """What a translation needs besides the event."""

    facts: SessionFacts
    viewer: Viewer
    version: int
    snapshot: Snapshot

    def unless_replaced(self, what: str) -> dict[str, Any] | None:
        """The snapshot; None where a later event brings another one."""
        return None if self.facts.snapshots.replaced(what, self.version, self.viewer) else self.snapshot(what)


def shown_events(members: Members, context: Context) -> list[Shown]:
    """What an event is in the protocol, in order."""
    fact = context.facts.of(members["version"])
    concept, _, step = members["type"].partition(".")
    translate = _CONCEPTS.get(concept)
    made = [custom(members)] if translate is None else translate(members, step, fact, context)
    return made if fact.run is None else _with_step(made, fact.run, context)


def custom(members: Members) -> Shown:
    """An event for which the protocol has none: by its type, as it is."""
    type = str(members["type"])
    name = type if type.startswith(("x.", "app.")) else f"{OURS}.{type}"
    data = {"name": name, "payload": members["data"], OURS: envelope(members)}
    return Shown("custom", namespace_of(members, "assistant"), data, "custom")


def namespace_of(members: Members, role: str) -> tuple[str, ...]:
    """Where something is said or done."""
    return () if role == "user" or is_run(members.get("task")) else (str(members["actor"]),)


def metadata_of(members: Members) -> Members:
    """What a message's beginning says besides its id: who, under which task, for whom."""
    return {**envelope(members, "kind", "reply_to"), "name": members["actor"]}


def asked(about: Members, requester: str) -> Members:
    """A question, as an interrupt's value."""
    return {**{name: about[name] for name in _ASKED if about.get(name)}, "requester": requester}


def interrupt(approval: Approval) -> Members:
    """An open question, as a thread's state has it."""
    about = {name: getattr(approval, name) for name in _ASKED}
    about["questions"] = [each.model_dump(mode="json", exclude_none=True) for each in approval.questions]
    about["due"] = None if approval.due is None else timestamp(approval.due)
    namespace = () if is_run(approval.task) else (approval.requester,)
    return {"id": approval.id, "value": asked(about, approval.requester), "namespace": namespace}


def _with_step(made: list[Shown], step: RunStep, context: Context) -> list[Shown]:
    """With what becomes of a run, or of an agent's part in one."""
    if step.agent is not None:
        namespace, begins = (step.agent,), step.step == "part_began"
        status = "started" if begins else "failed" if step.error else "completed"
        values = {"task": step.run} if begins else context.unless_replaced(step.agent)
        state = {"event": status, **({"error": step.error} if step.error else {})}
        lifecycle, shown = (
            Shown("lifecycle", namespace, state, "part"),
            Shown("values", namespace, values, "part-values"),
        )
        return [*made, lifecycle, shown] if begins else [*made, shown, lifecycle]
    if not step.shows(context.viewer):
        return made
    if step.step == "said":
        return [*made, _values(context)]
    if step.step in ("began", "goes_on"):
        # A page drops what it has not seen in a snapshot when a run begins, so the snapshot comes behind that.
        return [*made, _lifecycle("running", step), _values(context)]
    if step.step == "asks":
        return [_values(context), *made, _lifecycle("interrupted", step)]
    return [*made, _values(context), _lifecycle(_ENDS[step.step], step)]


def _lifecycle(event: str, step: RunStep) -> Shown:
    data = {"event": event, **({"error": step.error} if step.error else {})}
    return Shown("lifecycle", (), data, event, step.run.removeprefix(RUN))


def _values(context: Context) -> Shown:
    return Shown("values", (), context.unless_replaced(THREAD), "values")


def message_started(members: Members, namespace: tuple[str, ...], role: str, id: str) -> Shown:
    """The beginning of a message."""
    spoken = {"event": "message-start", "role": "human" if role == "user" else "ai", "id": id, "run_id": id}
    return Shown("messages", namespace, {**spoken, "metadata": metadata_of(members)}, "start")


def piece(namespace: tuple[str, ...], id: str, kind: StreamedKind, index: int, text: str) -> Shown:
    """The next piece of a message's text, or of its thought."""
    delta = {"type": f"{kind}-delta", kind: text}
    data = {"event": "content-block-delta", "index": index, "delta": delta, "run_id": id}
    return Shown("messages", namespace, data, f"delta-{index}")


def block_started(namespace: tuple[str, ...], id: str, kind: StreamedKind, index: int) -> Shown:
    """The beginning of its text, or of its thought."""
    data = {"event": "content-block-start", "index": index, "content": {"type": kind, kind: ""}, "run_id": id}
    return Shown("messages", namespace, data, f"block-{index}")


def _ends_of(members: Members, namespace: tuple[str, ...], id: str, thought_first: bool) -> list[Shown]:
    """The end of a message: its text and its thought, whole."""
    data = members["data"]
    kinds: list[StreamedKind] = ["reasoning", "text"] if thought_first else ["text", "reasoning"]
    whole = [(kind, text) for kind in kinds if (text := text_in(data["parts"], kind))]
    made = [
        Shown(
            "messages",
            namespace,
            {"event": "content-block-finish", "index": index, "content": {"type": kind, kind: text}, "run_id": id},
            f"finish-{index}",
        )
        for index, (kind, text) in enumerate(whole)
    ]
    about = {"event": "message-finish", "run_id": id, "metadata": {OURS: end_of_message(members)}}
    return [*made, Shown("messages", namespace, about, "finish")]


def _message(members: Members, step: str, fact: EventFact, context: Context) -> list[Shown]:
    posted, data, facts = step == "posted", members["data"], context.facts
    role = role_of(members["actor"], posted, facts.kind)
    namespace, id = namespace_of(members, role), shown_id(data)
    if posted:
        return [message_started(members, namespace, role, id), *_ends_of(members, namespace, id, True)]
    if step == "started":
        return [message_started(members, namespace, role, data["message"])]
    first = facts.thought_first(data["message"])
    if step == "delta":
        kind: StreamedKind = data.get("part") or "text"
        index = 0 if (kind == "reasoning") == first else 1
        begins = kind in fact.opens and not fact.again
        starts = [block_started(namespace, data["message"], kind, index)] if begins else []
        return [*starts, piece(namespace, data["message"], kind, index, data["text"])]
    return _ends_of(members, namespace, data["message"], first)


def _tool(members: Members, step: str, _: EventFact, __: Context) -> list[Shown]:
    data, namespace = members["data"], namespace_of(members, "assistant")
    about: Members = {"tool_call_id": data["call"], OURS: envelope(members, "message", "metadata", "usage")}
    if step == "called":
        about |= {"event": "tool-started", "tool_name": data["tool"], "input": data.get("arguments") or {}}
    elif step == "output":
        about |= {"event": "tool-output-delta", "delta": data["text"]}
    elif step == "returned" and not data.get("error"):
        about |= {"event": "tool-finished", "output": data.get("result")}
    else:
        about |= {"event": "tool-error", "message": str(data.get("error") or data.get("reason") or step)}
    return [Shown("tools", namespace, about, step)]


def _state(_: Members, __: str, ___: EventFact, context: Context) -> list[Shown]:
    return [Shown("values", (), context.unless_replaced(STATE), "state")]


def _approval(members: Members, step: str, _: EventFact, context: Context) -> list[Shown]:
    data, namespace = members["data"], namespace_of(members, "assistant")
    if step == "configured":
        return [custom(members)]
    if step == "requested":
        if not visible(None if data.get("of") is None else tuple(data["of"]), context.viewer):
            return [custom(members)]
        about = {"interrupt_id": data["approval"], "payload": asked(data, members["actor"])}
        return [Shown("input.requested", namespace, about, step)]
    return [Shown("input.answered", (), {"interrupt_ids": [data["approval"]]}, step), custom(members)]


DEPENDS = frozenset({"state", "task", "approval"})
"""Concepts whose events are not the same for all who see them."""
_CONCEPTS = {"message": _message, "tool": _tool, "state": _state, "approval": _approval}


def wire(shown: Shown, epoch: str, members: Members, seq: int) -> bytes:
    """An event as it is sent. Its `event_id` is the same whenever it is sent: pages pass over what they have seen."""
    id = f"{epoch}.v{members['version']}.{shown.label}"
    params = {"namespace": shown.namespace, "timestamp": milliseconds(members["time"]), "data": shown.data}
    event = {"type": "event", "event_id": f"synth:{shown.run}:{id}" if shown.run else id, "seq": seq}
    return orjson.dumps({**event, "method": shown.method, "params": params})
