"""What a page sends: the body that the AI SDK's transport makes. What a later version adds is passed over in messages;
what a page adds to the body is for the agent.

A page sends the whole conversation, or the last message alone. Here it is in the log already: what is new in it is what
the person says, and what they answer.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from ....domain.errors import Invalid
from ....domain.ids import Name
from ....domain.wording.wrong_input import explain
from ..envelopes import CLIENT_ID, message_id
from ..turn import MAX_RUN_CHARS
from ..turn_requests import Reply, Said, said_by_page
from . import METADATA, OURS, PART
from .chunks import ui_parts

MAX_SUFFIX_CHARS = 12
"""Of the ids of runs that answer a message once more."""
MAX_REPLIES = 64
"""Answers in one message. A page has answered the last questions of it; those before are known."""


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class UiMessage(_Input):
    """A message of the conversation, as far as it matters here."""

    id: Annotated[str, Field(min_length=1, max_length=1_000)]
    role: Literal["system", "user", "assistant"]
    parts: list[dict[str, JsonValue]] = []
    metadata: JsonValue = None

    @property
    def text(self) -> str:
        """What it says."""
        return "".join(str(each.get("text", "")) for each in self.parts if each.get("type") == "text")

    @property
    def resume(self) -> str | None:
        """The place in the session up to which a page has this message."""
        ours = self.metadata.get(OURS) if isinstance(self.metadata, dict) else None
        place = ours.get("resume") if isinstance(ours, dict) else None
        return place if isinstance(place, str) else None


class ChatInput(_Input):
    """The body with which a page speaks, asks for another answer, or answers questions."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    id: Name
    messages: list[UiMessage] = []
    message: UiMessage | None = None
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    messageId: Annotated[str, Field(max_length=1_000)] | None = None
    steer: bool = False

    @property
    def said(self) -> list[UiMessage]:
        """The messages, of which the last one counts."""
        return self.messages if self.message is None else [*self.messages, self.message]


class StopChatInput(_Input):
    """Which run to stop, or the message that it makes; absent: all of the chat."""

    activeStreamId: Annotated[str, Field(max_length=1_000)] | None = None


def read_chat(members: Any) -> ChatInput:
    """Raises Invalid."""
    try:
        given = ChatInput.model_validate(members)
    except ValidationError as error:
        raise Invalid(f"This is no body of the AI SDK's transport: {explain(error)}.") from None
    if not given.said:
        raise Invalid("There is no message: send `messages`, or the last one as `message`.")
    return given


def run_of_message(id: str) -> str:
    """The run that answers a message."""
    if len(id) + MAX_SUFFIX_CHARS <= MAX_RUN_CHARS:
        return id
    return sha256(id.encode()).hexdigest()


def said_by(message: UiMessage) -> Said | None:
    """What `message.post` takes of a person's message; None where it says nothing."""
    attached = [each for each in message.parts if each.get("type") != "text"]
    metadata = None if message.metadata is None else {METADATA: message.metadata}
    return said_by_page(message.id, message.text, attached, PART, metadata)


def is_said(said: Said, parts: list[dict[str, Any]]) -> bool:
    """Whether these parts of a message say the same: as they are, or as a page gets them."""
    if said.data["parts"] == parts:
        return True
    shown = said_by(UiMessage(id=said.id, role="user", parts=ui_parts(parts)))
    return shown is not None and said.data["parts"] == shown.data["parts"]


def edited(said: Said) -> Said:
    """The same message with other words, which is another one here."""
    shown = (said.data.get("metadata") or {}).get(CLIENT_ID, said.id)
    id = message_id(f"{said.id}+{sha256(orjson.dumps(said.data['parts'])).hexdigest()[:16]}")
    return Said(id, {**said.data, "metadata": {**said.data.get("metadata", {}), CLIENT_ID: shown}}, said.text)


def replies_in(message: UiMessage) -> list[Reply]:
    """What a person has answered in an assistant's message: approvals granted or denied, and what the call that a
    question is came to; to each question once, and to the last few."""
    found: dict[str, Reply] = {}
    for part in message.parts:
        id, approval = part.get("toolCallId"), part.get("approval")
        if isinstance(approval, dict) and isinstance(approval.get("approved"), bool):
            about = approval.get("id")
            if isinstance(about, str) and part.get("state") == "approval-responded":
                reason = approval.get("reason")
                found[about] = Reply(about, _answer(bool(approval["approved"]), reason), not approval["approved"])
        elif part.get("type") == "tool-ask" and part.get("state") == "output-available" and isinstance(id, str):
            found[id] = Reply(id, part.get("output"))
    return [*found.values()][-MAX_REPLIES:]


def _answer(approved: bool, reason: Any) -> Any:
    return {"approved": approved, **({"comment": reason} if isinstance(reason, str) and reason else {})}


def calls_in(message: UiMessage, tool: str) -> Iterable[str]:
    """The calls in a message that are of other tools than this one."""
    for part in message.parts:
        if part.get("type") != f"tool-{tool}" and isinstance(part.get("toolCallId"), str):
            yield str(part["toolCallId"])
