"""The routes of LangChain's Agent Streaming Protocol as OpenAPI describes them. Its events are its own to describe."""

from ..frontends.langchain.answers import CommandDoneAnswer, RunsStoppedAnswer, ThreadStateAnswer
from ..frontends.langchain.requests import EventStreamRequest, ThreadCommand
from ..transport.sse_connection import EVENT_STREAM
from .operations import JSON, action, last_event_id, operating, operation, parameter
from .schemas import NAME, Schema, answer_schemas, component_of, input_schemas, ref

_ANSWERS = (CommandDoneAnswer, RunsStoppedAnswer, ThreadStateAnswer)


def langchain_paths() -> Schema:
    """The paths."""
    thread, run = [parameter(name, NAME, where="path") for name in ("thread", "run")]
    place = last_event_id("since")
    done: Schema = {JSON: {"schema": component_of(CommandDoneAnswer)}}
    under = "/v1/langchain/threads/{thread}"
    asked, given = ref(EventStreamRequest.__name__), ref(ThreadCommand.__name__)
    stopped = component_of(RunsStoppedAnswer)
    cancel = operating("langchain_cancel", "Stop a run", [thread, run], stopped)
    return {
        f"{under}/stream/events": {
            "post": action("langchain_stream", "Follow a thread", [thread, place], asked, {EVENT_STREAM: {}})
        },
        f"{under}/commands": {
            "post": action("langchain_command", "Begin, answer or steer a run", [thread], given, done)
        },
        f"{under}/state": {
            "get": operation("langchain_state", "A thread as it is", [thread], component_of(ThreadStateAnswer))
        },
        f"{under}/runs/{{run}}/cancel": {"post": cancel},
    }


def langchain_schemas() -> Schema:
    """The schemas of what goes in and comes out."""
    return {**input_schemas((EventStreamRequest, ThreadCommand)), **answer_schemas(_ANSWERS)}
