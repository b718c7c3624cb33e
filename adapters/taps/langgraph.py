"""Runs of LangGraph and LangChain, recorded as they happen: a callback handler.

    tap = LangGraphTap("http://127.0.0.1:8600")
    graph.invoke({"messages": "A hotel in Lisbon?"}, {"callbacks": [tap]})

A run is what begins without a parent: a graph, a chain, a model. Who speaks is the agent's name (`lc_agent_name`), or
the node in which the model is called; nodes that every agent has (`agent`, `model`, `tools`) are the agent around them.
What is called inside a tool is a sub-agent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import ChatGeneration, LLMResult

from ...client.arguments import drop_none
from .run_record import CallRecord, MessageRecord, RunRecord, by_flag
from .steps import Speaker, StreamedText
from .tap import RunStopped, Tap, TapOptions, prompt_of, quietly

PLUMBING = frozenset(
    ("agent", "model", "tools", "call_model", "llm", "chatbot", "LangGraph", "RunnableSequence", "__start__")
)
"""Names that say nothing of who speaks."""
REASONING = ("reasoning", "thinking")


@dataclass(slots=True)
class _Node:
    """Something that runs in a run. Below the first `depth` segments of its namespace its agent is found."""

    run: RunRecord
    speaker: Speaker
    depth: int
    is_root: bool
    record: MessageRecord | CallRecord | None = None
    is_tool: bool = False
    by_events: bool | None = None
    """Whether its tokens come as events of streams; some models tell of each in both ways, and the first counts."""


class LangGraphTap(Tap, BaseCallbackHandler):
    """Give it to a run among its `callbacks`; or to a graph for all runs, `graph.with_config(callbacks=[tap])`. The
    thread (`thread_id`) is the session, unless a `session` was given.

    Models are recorded as the program calls them: token by token where it streams, whole where it does not. With
    `always_stream` they are made to stream, whatever the program does. A cancel ends the run at its next token, model
    call, tool or node, by `RunStopped`. There is no way to steer one.
    """

    framework = "langgraph"
    run_inline = True  # or asynchronous runs would hand each token to a thread, in any order
    raise_error = True  # the one error that is raised is RunStopped

    def __init__(self, url: str, *, always_stream: bool = False, **options: Unpack[TapOptions]) -> None:
        super().__init__(url, **options)
        self._nodes: dict[UUID, _Node] = {}
        self._asked: dict[tuple[str, str], MessageRecord] = {}
        """By run, and by the id of a call: the message that asked for it."""
        if always_stream:  # what LangChain looks for in handlers that want tokens
            self.tap_output_aiter = self.tap_output_iter = _as_it_is

    # -- chains, graphs, nodes

    @quietly
    def on_chain_start(self, serialized: dict[str, Any], inputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """A graph, a node or a chain begins."""
        self._enter(run_id, kwargs, inputs)

    @quietly
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """It ended."""
        self._leave(run_id, outputs)

    @quietly
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """It failed, or was cancelled."""
        self._leave(run_id, error=error)

    # -- models

    @quietly
    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[Any]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """A model is asked."""
        self._ask(run_id, kwargs, messages[0] if messages else [])

    @quietly
    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: Any) -> None:
        """A model that is no chat model is asked."""
        self._ask(run_id, kwargs, prompts)

    @quietly
    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any) -> None:
        """The next token."""
        message, said = self._streamed(run_id, by_events=False), getattr(chunk, "message", None)
        if message is None:
            return
        if said is None or (isinstance(token, str) and token and said.content == token):
            message.write(str(token))  # the usual case, which is to be quick
            return
        for part, text in _parts(said):
            message.write(text, part)

    @quietly
    def on_stream_event(self, event: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """The same, of models that are streamed by the newer protocol."""
        message = self._streamed(run_id, by_events=True)
        delta = event.get("delta") if event.get("event") == "content-block-delta" else None
        if message is not None and isinstance(delta, Mapping):
            part = "reasoning" if any(kind in str(delta.get("type")) for kind in REASONING) else "text"
            text = delta.get("text") or delta.get("reasoning")
            if isinstance(text, str):
                message.write(text, part)

    @quietly
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """A model has answered."""
        node = self._nodes.get(run_id)
        if node is not None and isinstance(node.record, MessageRecord):
            generation = response.generations[0][0] if response.generations and response.generations[0] else None
            if isinstance(generation, ChatGeneration):
                said = generation.message
                for call in getattr(said, "tool_calls", ()):
                    self._asked[node.run.id, str(call.get("id"))] = node.record
                node.record.end(_parts(said), usage=_usage(said), stop=_stop(said), id=said.id)
            else:
                node.record.end([("text", generation.text)] if generation else None)
        self._leave(run_id, None if node is None else response)

    @quietly
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """A model failed, or was cancelled."""
        self._leave(run_id, error=error)

    # -- tools

    @quietly
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool is called."""
        name, call = str((serialized or {}).get("name") or kwargs.get("name") or "tool"), kwargs.get("tool_call_id")
        node = self._enter(run_id, {**kwargs, "name": name}, inputs)
        asked = self._asked.pop((node.run.id, str(call)), None)
        speaker = node.speaker if asked is None else asked.speaker
        node.record = node.run.call(speaker, name, input_str if inputs is None else inputs, asked, id=call)
        node.is_tool = True

    @quietly
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """It returned."""
        node = self._nodes.get(run_id)
        if node is not None and isinstance(node.record, CallRecord):
            result = getattr(output, "content", output)
            failed = getattr(output, "status", None) == "error"
            node.record.end(result, str(result) if failed else None)
        self._leave(run_id, output)

    @quietly
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """It failed, or was cancelled."""
        self._leave(run_id, error=error)

    @quietly
    def on_retriever_start(self, serialized: dict[str, Any] | None, query: str, *, run_id: UUID, **kwargs: Any) -> None:
        """Documents are looked for: a call, too."""
        name = str(kwargs.get("name") or "retriever")
        node = self._enter(run_id, {**kwargs, "name": name}, query)
        node.record, node.is_tool = node.run.call(node.speaker, name, query), True

    @quietly
    def on_retriever_end(self, documents: Sequence[Any], *, run_id: UUID, **kwargs: Any) -> None:
        """They were found."""
        node = self._nodes.get(run_id)
        if node is not None and isinstance(node.record, CallRecord):
            node.record.end(list(documents))
        self._leave(run_id, documents)

    @quietly
    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """They were not."""
        self._leave(run_id, error=error)

    # -- what all of these share

    def _ask(self, id: UUID, told: Mapping[str, Any], asked: Any) -> None:
        node = self._enter(id, told, asked)
        node.record = node.run.message(node.speaker, model=(told.get("metadata") or {}).get("ls_model_name"))

    def _streamed(self, id: UUID, *, by_events: bool) -> MessageRecord | None:
        """The message that a token is of; None for one that is told in the other way, too. Raises RunStopped."""
        node = self._nodes.get(id)
        if node is None or not isinstance(node.record, MessageRecord):
            return None
        if node.run.stopping:
            raise RunStopped
        if node.by_events is None:
            node.by_events = by_events
        return node.record if node.by_events is by_events else None

    def _enter(self, id: UUID, told: Mapping[str, Any], input: Any) -> _Node:
        """Something begins, of which LangChain tells its `parent_run_id`, `metadata` and `name`. Raises RunStopped."""
        parent, name, about = told.get("parent_run_id"), told.get("name"), told.get("metadata") or {}
        around = None if parent is None else self._nodes.get(parent)
        path = [each.partition(":")[0] for each in str(about.get("langgraph_checkpoint_ns") or "").split("|")]
        known = None if name is None or name in PLUMBING else str(name)
        if around is None:
            holder = str(about.get("lc_agent_name") or known or "agent")
            run = self.begin(holder, prompt_of(input), input, _thread(about))
            run.stop = by_flag  # what comes next looks at it
            node = _Node(run, Speaker(holder), len(path) if path != [""] else 0, True)
        else:
            if around.run.stopping:
                raise RunStopped
            is_sub, depth, base = around.speaker.is_sub, around.depth, around.speaker.name
            if around.is_tool:
                is_sub, depth, base = True, len(path), known or base
            names = [each for each in path[depth:] if each and each not in PLUMBING]
            speaker = Speaker(str(about.get("lc_agent_name") or (names[-1] if names else base)), is_sub)
            node = _Node(around.run, speaker, depth, False)
        self._nodes[id] = node
        return node

    def _leave(self, id: UUID, output: Any = None, error: BaseException | None = None) -> None:
        """It is over, and so is the run, if it began with it."""
        node = self._nodes.pop(id, None)
        if node is None:
            return
        if node.record is not None and error is not None:
            node.record.interrupt(self.error_text(error))
        if node.is_root:
            self.finish(node.run, output, error)
            self._asked = {key: each for key, each in self._asked.items() if key[0] != node.run.id}


def _as_it_is(run_id: UUID, output: Any) -> Any:
    return output


def _thread(metadata: Mapping[str, Any]) -> str | None:
    thread = metadata.get("thread_id")
    return None if thread is None else str(thread)


def _parts(said: Any) -> list[StreamedText]:
    """What a message, or a piece of one, says and thinks."""
    parts: list[StreamedText] = []
    thought = getattr(said, "additional_kwargs", {}).get("reasoning_content")
    if isinstance(thought, str) and thought:
        parts.append(("reasoning", thought))
    content = said.content
    if isinstance(content, str):
        return [*parts, ("text", content)] if content else parts
    for block in content:
        if isinstance(block, str):
            parts.append(("text", block))
        elif isinstance(block, Mapping):
            kind = str(block.get("type"))
            part = "reasoning" if kind in REASONING else "text"
            text = block.get("text") or block.get("reasoning") or block.get("thinking")
            if isinstance(text, str) and text and (part == "reasoning" or kind == "text"):
                parts.append((part, text))
    return parts


def _usage(said: Any) -> dict[str, Any] | None:
    told = getattr(said, "usage_metadata", None)
    if not told:
        return None
    numbers = {name: told[name] for name in ("input_tokens", "output_tokens", "total_tokens") if name in told}
    return drop_none(model=said.response_metadata.get("model_name") or None, **numbers)


def _stop(said: Any) -> Any:
    return said.response_metadata.get("finish_reason") or said.response_metadata.get("stop_reason")
