"""The AI SDK's routes as OpenAPI describes them. The chunks of its streams are the SDK's own to describe."""

from ..frontends.addresses import AttachQuery
from ..frontends.ai_sdk.answers import ChatAnswer, ChatStoppedAnswer
from ..frontends.ai_sdk.chat_input import ChatInput, StopChatInput
from ..transport.sse_connection import EVENT_STREAM
from .operations import JSON, action, last_event_id, operation, parameter, query_parameters, stream
from .schemas import NAME, Schema, answer_schemas, component_of, input_schemas, ref


def ai_sdk_paths() -> Schema:
    """The paths."""
    agent, chat = [parameter(name, NAME, where="path") for name in ("agent", "chat")]
    place = [*query_parameters(AttachQuery), last_event_id("after")]
    under = "/v1/ai/agent/{agent}/chat"
    stopped: Schema = {JSON: {"schema": component_of(ChatStoppedAnswer)}}
    which = ref(StopChatInput.__name__)
    resumed = stream("ai_sdk_resume", "Follow the run under way", [agent, chat, *place])
    resumed["responses"]["204"] = {"description": "No run is under way"}
    events: Schema = {EVENT_STREAM: {}}
    given = ref(ChatInput.__name__)
    return {
        under: {"post": action("ai_sdk_send", "Say something, and follow the run", [agent, *place], given, events)},
        f"{under}/{{chat}}/stream": {"get": resumed},
        f"{under}/{{chat}}/messages": {
            "get": operation("ai_sdk_messages", "The messages of a chat", [agent, chat], component_of(ChatAnswer))
        },
        f"{under}/{{chat}}/stop": {
            "post": action("ai_sdk_stop", "Stop the run under way", [agent, chat], which, stopped, required=False)
        },
    }


def ai_sdk_schemas() -> Schema:
    """The schemas of what goes in and comes out."""
    return {**input_schemas((ChatInput, StopChatInput)), **answer_schemas((ChatAnswer, ChatStoppedAnswer))}
