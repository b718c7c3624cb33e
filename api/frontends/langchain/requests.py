"""What a page sends: commands, and which events it wants. What a later version adds is passed over.

A run has no id of the page's in this protocol. So it gets one that is made from the ids of the messages with which it
begins, or of the questions that it answers: a command that is sent again, because its answer was lost, begins nothing
again.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ....domain.errors import Invalid
from ....domain.ids import Name, new_id
from ....domain.wording.wrong_input import explain
from ..addresses import agent_named
from ..turn_requests import Reply, Said, TurnRequest, said_by_page

NOBODY_NAMED = "_"
"""The assistant of a page that names none: any agent may serve the run."""
PART = "langchain.part"
"""The name of a data part that is a block of a person's message in LangChain's form."""
MAX_SEQ = 2**53
Segment = Annotated[str, Field(max_length=256)]
M = TypeVar("M", bound=BaseModel)
Namespace = Annotated[tuple[Segment, ...], Field(max_length=32)]


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class EventStreamRequest(_Input):
    """Which events of a thread to stream: of these channels, in these namespaces and so deep below them, behind a
    `seq`."""

    channels: Annotated[tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=64)]
    namespaces: Annotated[tuple[Namespace, ...], Field(max_length=256)] | None = None
    depth: Annotated[int, Field(ge=0, le=1_000, strict=True)] | None = None
    since: Annotated[int, Field(ge=0, lt=MAX_SEQ, strict=True)] | None = None


class ThreadCommand(_Input):
    """A command to a thread."""

    id: Annotated[int, Field(ge=0, lt=MAX_SEQ, strict=True)]
    method: Literal["run.start", "input.respond", "input.inject"]
    params: dict[str, JsonValue] = {}


class RunStart(_Input):
    """`run.start`: begin a run with new messages, or none."""

    assistant_id: Annotated[str, Field(max_length=128)] = NOBODY_NAMED
    input: JsonValue = None
    config: dict[str, JsonValue] | None = None
    metadata: dict[str, JsonValue] | None = None
    multitask_strategy: Literal["interrupt", "rollback", "reject", "enqueue"] | None = None


class InputResponse(_Input):
    """What is said to an interrupt."""

    interrupt_id: Name
    response: JsonValue = None


class InputRespond(_Input):
    """`input.respond`: to one interrupt, or to several."""

    interrupt_id: Name | None = None
    response: JsonValue = None
    responses: Annotated[tuple[InputResponse, ...], Field(min_length=1, max_length=64)] | None = None


class InjectedMessage(_Input):
    """What is said to somebody at work; with an `id`, once."""

    content: Annotated[str, Field(min_length=1)]
    id: Annotated[str, Field(min_length=1, max_length=1_000)] | None = None


class InputInject(_Input):
    """`input.inject`: to the run under way, or to the agent of a namespace."""

    namespace: Namespace = ()
    message: InjectedMessage


class InputMessage(_Input):
    """A message of a page, as far as it matters here."""

    id: Annotated[str, Field(min_length=1, max_length=1_000)] | None = None
    type: str | None = None
    role: str | None = None
    content: str | list[JsonValue] = ""
    tool_call_id: str | None = None

    @property
    def of_person(self) -> bool:
        """Whether the person says it."""
        return (self.type or self.role or "human") in ("human", "user")


def read_input(model: type[M], members: Any) -> M:
    """Raises Invalid."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        raise Invalid(f"This is no {model.__name__}: {explain(error)}.") from None


def begun_run(given: RunStart) -> TurnRequest:
    """What `run.start` asks for."""
    if isinstance((given.config or {}).get("configurable"), dict) and "checkpoint_id" in given.config["configurable"]:  # type: ignore[index, operator]
        raise Invalid("A run here goes on from where its thread is; fork the session to go back (`session.fork`).")
    members, messages = (given.input, []) if isinstance(given.input, dict) else ({}, [])
    for each in _listed(members.get("messages")):
        messages.append(read_input(InputMessage, {"content": each} if isinstance(each, str) else each))
    spoken = [(each.id or new_id(), each) for each in messages if each.of_person]
    said = {id: made for id, each in spoken if (made := _said(id, each)) is not None}
    results = [
        {"call": each.tool_call_id, "content": _text(each)}
        for each in messages
        if each.type == "tool" and each.tool_call_id
    ]
    more = {
        "messages": [each.id for each in said.values()],
        "tool_results": results,
        "instructions": [_text(each) for each in messages if "system" in (each.type, each.role)],
        "state": {name: value for name, value in members.items() if name != "messages"},
        "config": given.config,
        "metadata": given.metadata,
    }
    run = f"lc-{_digest([*said, *[str(each['call']) for each in results]])}" if said or results else new_id()
    wanted = {name: value for name, value in more.items() if value}
    agent = None if given.assistant_id == NOBODY_NAMED else agent_named(given.assistant_id)
    return TurnRequest(run, agent, tuple(said.values()), input=wanted)


def answering_run(given: InputRespond) -> TurnRequest:
    """What `input.respond` asks for."""
    answered = given.responses or ()
    if not answered and given.interrupt_id is not None:
        answered = (InputResponse(interrupt_id=given.interrupt_id, response=given.response),)
    if not answered:
        raise Invalid("Name the `interrupt_id` that is answered, or list `responses`.")
    replies = tuple(Reply(each.interrupt_id, _decision(each.response)) for each in answered)
    return TurnRequest(f"lc-{_digest(['answers', *[each.interrupt_id for each in answered]])}", replies=replies)


def injected(message: InjectedMessage) -> Said:
    """What the person says to those who are at work."""
    id = message.id or new_id()
    said = _said(id, InputMessage(id=id, content=message.content))
    assert said is not None  # it is not empty
    return said


def _decision(response: Any) -> Any:
    """What LangChain's middleware for people in the loop calls a decision, as a truth value; else what it was."""
    decisions = response.get("decisions") if isinstance(response, dict) else None
    if isinstance(decisions, list) and len(decisions) == 1 and isinstance(decisions[0], dict):
        kinds = {"approve": True, "reject": False}
        return kinds.get(str(decisions[0].get("type")), response)
    return response


def _listed(messages: Any) -> list[Any]:
    if messages is None:
        return []
    return messages if isinstance(messages, list) else [messages]


def _said(id: str, message: InputMessage) -> Said | None:
    blocks = message.content if isinstance(message.content, list) else []
    return said_by_page(id, _text(message), [each for each in blocks if not _is_text(each)], PART)


def _is_text(block: Any) -> bool:
    return isinstance(block, str) or (isinstance(block, dict) and block.get("type") == "text")


def _text(message: InputMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    blocks = [each for each in message.content if _is_text(each)]
    return "".join([each if isinstance(each, str) else str(each.get("text", "")) for each in blocks])  # type: ignore[union-attr]


def _digest(parts: Iterable[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:32]
