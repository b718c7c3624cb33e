"""Reads AG-UI as a strict client does: what is closed was open, what is open is closed before the end, and what is
said of something is said of what there is."""

from typing import Any

from stenogram.domain.json.patch import apply_patch

Event = dict[str, Any]


class AgUiReader:
    """What a client has of a thread. Fails on what the protocol does not allow."""

    def __init__(self) -> None:
        self.messages: dict[str, dict[str, Any]] = {}
        self.state: Any = None
        self.activities: dict[str, Any] = {}
        self.runs: list[Event] = []
        """The ends of runs."""
        self.running = False
        self._open: set[tuple[str, str]] = set()

    @property
    def texts(self) -> dict[str, str]:
        """What each message says, by its id; also what was thought."""
        spoken = ("user", "assistant", "reasoning")
        found = {id: each["content"] for id, each in self.messages.items() if each["role"] in spoken}
        return {id: text for id, text in found.items() if text}

    def read(self, event: Event) -> None:
        """The next event."""
        type = event["type"]
        assert self.running == (type != "RUN_STARTED"), type
        getattr(self, f"_{type.lower()}")(event)

    def _run_started(self, event: Event) -> None:
        self.running = True

    def _run_finished(self, event: Event) -> None:
        assert self._open == set()
        self.running = False
        self.runs.append(event)

    def _run_error(self, event: Event) -> None:
        self.running = False
        self.runs.append(event)

    def _messages_snapshot(self, event: Event) -> None:
        self.messages, self.activities = {}, {}
        for message in event["messages"]:
            assert message["id"] not in {*self.messages, *self.activities}, message["id"]
            if message["role"] == "activity":
                self.activities[message["id"]] = message["content"]
            else:
                self.messages[message["id"]] = {"content": "", **message}

    def _state_snapshot(self, event: Event) -> None:
        self.state = event["snapshot"]

    def _state_delta(self, event: Event) -> None:
        self.state = apply_patch(self.state, event["delta"]).value

    def _begin(self, kind: str, id: str) -> None:
        assert (kind, id) not in self._open, id
        self._open.add((kind, id))

    def _end(self, kind: str, id: str) -> None:
        self._open.remove((kind, id))

    def _text_message_start(self, event: Event) -> None:
        id, whose = event["messageId"], event.get("subagentRunId")
        self._begin("text", id)
        known = self.messages.setdefault(id, {"role": event["role"], "content": "", "subagentRunId": whose})
        assert (known["role"], known.get("subagentRunId")) == (event["role"], whose)

    def _text_message_content(self, event: Event) -> None:
        assert ("text", event["messageId"]) in self._open, event
        self.messages[event["messageId"]]["content"] += event["delta"]

    def _text_message_end(self, event: Event) -> None:
        self._end("text", event["messageId"])

    def _reasoning_start(self, event: Event) -> None:
        self._begin("span", event["messageId"])

    def _reasoning_end(self, event: Event) -> None:
        self._end("span", event["messageId"])

    def _reasoning_message_start(self, event: Event) -> None:
        self._begin("reasoning", event["messageId"])
        self.messages.setdefault(event["messageId"], {"role": "reasoning", "content": ""})

    def _reasoning_message_content(self, event: Event) -> None:
        assert ("reasoning", event["messageId"]) in self._open
        self.messages[event["messageId"]]["content"] += event["delta"]

    def _reasoning_message_end(self, event: Event) -> None:
        self._end("reasoning", event["messageId"])

    def _tool_call_start(self, event: Event) -> None:
        self._begin("call", event["toolCallId"])
        holder = event.get("parentMessageId")
        if holder is None:
            whose = event.get("subagentRunId")
            self.messages[event["toolCallId"]] = {"role": "assistant", "content": "", "subagentRunId": whose}
        self.messages[holder or event["toolCallId"]].setdefault("toolCalls", []).append({"id": event["toolCallId"]})

    def _tool_call_args(self, event: Event) -> None:
        assert ("call", event["toolCallId"]) in self._open

    def _tool_call_end(self, event: Event) -> None:
        self._end("call", event["toolCallId"])

    def _tool_call_result(self, event: Event) -> None:
        calls = {call["id"] for message in self.messages.values() for call in message.get("toolCalls", ())}
        assert event["toolCallId"] in calls
        self.messages[event["messageId"]] = {"role": "tool", "content": event["content"]}

    def _activity_snapshot(self, event: Event) -> None:
        self.activities[event["messageId"]] = event["content"]

    def _activity_delta(self, event: Event) -> None:
        id = event["messageId"]
        self.activities[id] = apply_patch(self.activities[id], event["patch"]).value

    def _custom(self, event: Event) -> None:
        assert event["name"]
