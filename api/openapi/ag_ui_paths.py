"""AG-UI's routes as OpenAPI describes them. The events of its streams are AG-UI's own to describe."""

from ..frontends.addresses import AttachQuery
from ..frontends.ag_ui.answers import CapabilitiesAnswer, PublishedAnswer, RuntimeInfoAnswer, StoppedAnswer
from ..frontends.ag_ui.run_input import RunAgentInput, StopInput
from ..transport.sse_connection import EVENT_STREAM
from .operations import JSON, action, last_event_id, operation, parameter, query_parameters, stream
from .schemas import NAME, TEXT, Schema, answer_schemas, component_of, input_schemas, ref

_ANSWERS = (CapabilitiesAnswer, PublishedAnswer, RuntimeInfoAnswer, StoppedAnswer)
_EVENTS: Schema = {
    "type": "array",
    "items": {"type": "object", "properties": {"type": TEXT}, "required": ["type"]},
}


def ag_ui_paths() -> Schema:
    """The paths."""
    agent, thread, run = [parameter(name, NAME, where="path") for name in ("agent", "thread", "run")]
    place = [*query_parameters(AttachQuery), last_event_id("after")]
    events: Schema = {EVENT_STREAM: {}}
    stopped: Schema = {JSON: {"schema": component_of(StoppedAnswer)}}
    published: Schema = {JSON: {"schema": component_of(PublishedAnswer)}}
    given, which = ref(RunAgentInput.__name__), ref(StopInput.__name__)
    under = "/v1/agui/agent/{agent}"
    return {
        "/v1/agui/info": {
            "get": operation("ag_ui_info", "The agents, for CopilotKit", [], component_of(RuntimeInfoAnswer))
        },
        "/v1/agui/capabilities": {
            "get": operation("ag_ui_capabilities", "What agents can do", [], component_of(CapabilitiesAnswer))
        },
        f"{under}/run": {"post": action("ag_ui_run", "Begin a run, or attach to it", [agent, *place], given, events)},
        f"{under}/connect": {
            "post": action("ag_ui_connect", "Follow what runs in a thread", [agent, *place], given, events)
        },
        f"{under}/stop/{{thread}}": {
            "post": action("ag_ui_stop", "Stop a run", [agent, thread], which, stopped, required=False)
        },
        "/v1/agui/threads/{thread}/events": {
            "post": action("ag_ui_publish", "Publish a run", [thread], _EVENTS, published)
        },
        "/v1/agui/threads/{thread}": {"get": stream("ag_ui_watch", "Follow a thread", [thread, *place])},
        "/v1/agui/threads/{thread}/runs/{run}": {
            "get": stream("ag_ui_attach", "Attach to a run", [thread, run, *place])
        },
    }


def ag_ui_schemas() -> Schema:
    """The schemas of what goes in and comes out."""
    return {**input_schemas((RunAgentInput, StopInput)), **answer_schemas(_ANSWERS)}
