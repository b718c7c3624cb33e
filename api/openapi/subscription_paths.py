"""The routes of subscriptions of streams, as OpenAPI describes them."""

from pydantic import BaseModel

from ..durable_streams.subscriptions.bodies import AckBody, ClaimBody, ReleaseBody, StreamsBody, SubscriptionBody
from ..durable_streams.subscriptions.names import CONTROL, SUBSCRIPTIONS
from .operations import JSON, JSON_OBJECT, identity, parameter, probe, problems
from .schemas import NAME, TEXT, Schema

_SHOWN: Schema = {"description": "The subscription", "content": {JSON: {"schema": JSON_OBJECT}}}
_NOTHING: Schema = {"description": "Done"}
_OF_REQUESTS = ["400", "401", "403", "404", "409", "413", "429", "503"]


def subscription_paths() -> Schema:
    """The paths. What a worker does shows the token of its lease, and not who it is."""
    one = [{**parameter("id", NAME, where="path"), "description": "What its participant calls the subscription"}]
    path = {**parameter("path", NAME, where="path"), "description": "The stream's path, whose slashes are %2F"}
    lease = [{**parameter("Authorization", TEXT, where="header"), "description": "`Bearer` and the token of the lease"}]
    base = SUBSCRIPTIONS + "{id}"
    created = _done("create_subscription", "Subscribe to streams, or confirm that one does", _SHOWN, SubscriptionBody)
    created["responses"] |= {"201": {**_SHOWN, "description": "The new subscription"}}
    claimed = _done("claim_work", "Claim the work of a subscription", _SHOWN, ClaimBody)
    released = _leased("release_work", "Give the work back", ReleaseBody)
    released["responses"]["204"] = released["responses"].pop("200")
    keys = probe("webhook_keys", "The public keys of webhooks", media_type="application/jwk-set+json")
    return {
        CONTROL + "jwks.json": {"get": keys},
        base: {
            "parameters": one,
            "put": created,
            "get": _done("show_subscription", "A subscription, and how far its streams are done", _SHOWN),
            "delete": _emptied("delete_subscription", "Delete a subscription"),
        },
        base + "/streams": {
            "parameters": one,
            "post": _emptied("add_streams", "Follow these streams, too", StreamsBody),
        },
        base + "/streams/{path}": {
            "parameters": [*one, path],
            "delete": _emptied("remove_stream", "Follow a stream no longer for having been named"),
        },
        base + "/claim": {"parameters": one, "post": claimed},
        base + "/ack": {"parameters": [*one, *lease], "post": _leased("ack_work", "Say what is done", AckBody)},
        base + "/callback": {
            "parameters": [*one, *lease],
            "post": _leased("call_back", "Say what is done, after a webhook", AckBody),
        },
        base + "/release": {"parameters": [*one, *lease], "post": released},
    }


def _done(name: str, summary: str, answer: Schema, body: type[BaseModel] | None = None) -> Schema:
    """By the participant whose subscription it is."""
    return _operation(name, summary, body) | {
        "parameters": identity(),
        "responses": {"200": answer, **problems(_OF_REQUESTS)},
    }


def _emptied(name: str, summary: str, body: type[BaseModel] | None = None) -> Schema:
    described = _done(name, summary, _NOTHING, body)
    described["responses"]["204"] = described["responses"].pop("200")
    return described


def _leased(name: str, summary: str, body: type[BaseModel]) -> Schema:
    """By who has the lease."""
    answer = {"description": "Done", "content": {JSON: {"schema": JSON_OBJECT}}}
    return _operation(name, summary, body) | {
        "security": [],
        "responses": {"200": answer, **problems(_OF_REQUESTS)},
    }


def _operation(name: str, summary: str, body: type[BaseModel] | None) -> Schema:
    described: Schema = {"operationId": name, "summary": summary}
    if body is not None:
        schema = body.model_json_schema(ref_template="#/components/schemas/Stream{model}")
        schema.pop("$defs", None)
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return described


def subscription_schemas() -> Schema:
    """The schemas that the bodies refer to."""
    found: Schema = {}
    for body in (SubscriptionBody, AckBody):
        schema = body.model_json_schema(ref_template="#/components/schemas/Stream{model}")
        found |= {f"Stream{name}": each for name, each in schema.get("$defs", {}).items()}
    return found
