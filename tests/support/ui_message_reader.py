"""Reads the AI SDK's UI-message stream as its clients of versions 6 and 7 do, and fails where these would: what is said
goes to a part that was begun, and what a call came to, to a call that there is."""

from typing import Any

Chunk = dict[str, Any]
CHUNKS = {
    *("start", "finish", "abort", "error", "message-metadata", "start-step"),
    *("tool-input-available", "tool-output-available", "tool-output-error", "tool-output-denied"),
    *("tool-approval-request", "source-url", "source-document", "file"),
    *(f"{kind}-{step}" for kind in ("text", "reasoning") for step in ("start", "delta", "end")),
}
"""What both versions know, besides data."""
REASONS = {"stop", "tool-calls"}


class UiMessageReader:
    """An assistant's message, as a client has it."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.parts: list[dict[str, Any]] = []
        self.metadata: dict[str, Any] = {}
        self.passing: list[Chunk] = []
        """What was transient."""
        self.over = False
        self._open: dict[tuple[str, str], dict[str, Any]] = {}

    def goes_on(self) -> "UiMessageReader":
        """The same message in another stream, which goes on with it."""
        other = UiMessageReader()
        other.parts = [dict(part) for part in self.parts]
        return other

    def as_message(self) -> dict[str, Any]:
        """As a page sends it back."""
        return {"id": self.id, "role": "assistant", "metadata": {"stenogram": self.metadata}, "parts": self.parts}

    def read(self, chunk: Chunk) -> None:
        """The next chunk."""
        type = chunk["type"]
        assert not self.over, chunk
        assert (self.id is None) == (type == "start"), chunk
        if type.startswith("data-"):
            self._data(chunk)
            return
        assert type in CHUNKS, chunk
        getattr(self, f"_{type.replace('-', '_')}")(chunk)

    def texts(self) -> dict[str, str]:
        """What each message says, by its id; what is thought for it under `{id}/reasoning`."""
        found: dict[str, str] = {}
        for part in self.parts:
            if part["type"] in ("text", "reasoning"):
                id = part["providerMetadata"]["stenogram"]["message"]
                id = id if part["type"] == "text" else f"{id}/reasoning"
                found[id] = found.get(id, "") + part["text"]
            elif part["type"] == "data-agent-message":
                found[part["id"]] = part["data"]["text"]
                found[f"{part['id']}/reasoning"] = part["data"].get("reasoning", "")
            elif part["type"] == "data-user-message":
                found[part["id"]] = part["data"]["text"]
        return {id: text for id, text in found.items() if text}

    def same(self) -> dict[str, Any]:
        """What is the same whenever one joins: texts, data by their ids, and how calls ended."""
        parts = [part for part in self.parts if part["type"] not in ("text", "reasoning")]
        calls = {part["toolCallId"]: part for part in parts if "toolCallId" in part}
        data = {(part["type"], part["id"]): part["data"] for part in parts if "data" in part}
        others = sorted(map(repr, [part for part in parts if "toolCallId" not in part and "data" not in part]))
        return {"texts": self.texts(), "calls": calls, "data": data, "others": others}

    def _start(self, chunk: Chunk) -> None:
        self.id = chunk["messageId"]
        self.metadata = chunk["messageMetadata"]["stenogram"]

    def _message_metadata(self, chunk: Chunk) -> None:
        self.metadata |= chunk["messageMetadata"]["stenogram"]

    def _finish(self, chunk: Chunk) -> None:
        assert chunk["finishReason"] in REASONS
        assert not self._open
        self._message_metadata(chunk)
        self.over = True

    def _abort(self, chunk: Chunk) -> None:
        assert not self._open
        self.over = True

    def _error(self, chunk: Chunk) -> None:
        assert chunk["errorText"]
        self.over = True

    def _begin(self, kind: str, chunk: Chunk) -> None:
        assert (kind, chunk["id"]) not in self._open, chunk
        part = {"type": kind, "text": "", "providerMetadata": chunk["providerMetadata"]}
        self._open[kind, chunk["id"]] = part
        self.parts.append(part)

    def _end(self, kind: str, chunk: Chunk) -> None:
        part = self._open.pop((kind, chunk["id"]))
        part["providerMetadata"] = chunk.get("providerMetadata") or part["providerMetadata"]

    def _text_start(self, chunk: Chunk) -> None:
        self._begin("text", chunk)

    def _text_delta(self, chunk: Chunk) -> None:
        self._open["text", chunk["id"]]["text"] += chunk["delta"]

    def _text_end(self, chunk: Chunk) -> None:
        self._end("text", chunk)

    def _reasoning_start(self, chunk: Chunk) -> None:
        self._begin("reasoning", chunk)

    def _reasoning_delta(self, chunk: Chunk) -> None:
        self._open["reasoning", chunk["id"]]["text"] += chunk["delta"]

    def _reasoning_end(self, chunk: Chunk) -> None:
        self._end("reasoning", chunk)

    def _call(self, chunk: Chunk) -> dict[str, Any]:
        (call,) = [part for part in self.parts if part.get("toolCallId") == chunk["toolCallId"]]
        return call

    def _tool_input_available(self, chunk: Chunk) -> None:
        assert chunk["toolCallId"] not in [part.get("toolCallId") for part in self.parts], chunk
        call = {"type": f"tool-{chunk['toolName']}", "toolCallId": chunk["toolCallId"], "input": chunk["input"]}
        self.parts.append({**call, "state": "input-available"})

    def _tool_output_available(self, chunk: Chunk) -> None:
        self._call(chunk).update(state="output-available", output=chunk["output"])

    def _tool_output_error(self, chunk: Chunk) -> None:
        self._call(chunk).update(state="output-error", errorText=chunk["errorText"])

    def _tool_output_denied(self, chunk: Chunk) -> None:
        self._call(chunk).update(state="output-denied")

    def _tool_approval_request(self, chunk: Chunk) -> None:
        self._call(chunk).update(state="approval-requested", approval={"id": chunk["approvalId"]})

    def _start_step(self, chunk: Chunk) -> None:
        self.parts.append({"type": "step-start"})

    def _source_url(self, chunk: Chunk) -> None:
        assert isinstance(chunk["url"], str)
        self.parts.append(chunk)

    def _source_document(self, chunk: Chunk) -> None:
        assert isinstance(chunk["title"], str)
        assert isinstance(chunk["mediaType"], str)
        self.parts.append(chunk)

    def _file(self, chunk: Chunk) -> None:
        assert isinstance(chunk["url"], str)
        self.parts.append(chunk)

    def _data(self, chunk: Chunk) -> None:
        if chunk.get("transient"):
            self.passing.append(chunk)
            return
        for part in self.parts:
            if part["type"] == chunk["type"] and part["id"] == chunk["id"]:
                part["data"] = chunk["data"]
                return
        self.parts.append(dict(chunk))
