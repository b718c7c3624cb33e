"""Loaded by schemathesis: what makes its run short. A long poll is asked to wait for a moment only; who asks for a view
as new as a position waits until it is. What stands around a command is read by one model whatever the command is: it is
tried with the first, or in the long form with each. Which JSON Schemas a question may have, no schema can say: two that
are taken are tried. Recorded commands are tried with one of them, and spans in JSON alone. Of a stream, headers are
made to come together as they must, also with a body or without one, offsets are its own, and nothing is followed
without end; and there are few of them, so that what is created is found again."""

import os
import re
from typing import Any

import schemathesis
from schemathesis.core import NotSet

from stenogram.api.durable_streams.offsets import OFFSET_PATTERN

STREAM = "/v1/stream/"
PRODUCER = ("Producer-Id", "Producer-Epoch", "Producer-Seq")
AROUND = ("expect", "producer", "under")


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Describe what stands around a command with the first one alone, and the schemas that a question may have."""
    taken = {"enum": [None, {"type": "string"}, {"type": "object", "properties": {"a": {"type": "integer"}}}]}
    for asks in ("RequestApproval", "Question"):
        raw_schema["components"]["schemas"][asks]["properties"]["answer_schema"] = taken
    del raw_schema["paths"]["/v1/traces"]["post"]["requestBody"]["content"]["application/x-protobuf"]
    if os.environ.get("STENOGRAM_TEST_OPERATIONS") == "all":
        return
    schemas = raw_schema["components"]["schemas"]
    recorded = schemas["RecordedInput"]["properties"]["commands"]["items"]
    recorded["oneOf"] = recorded["oneOf"][:1]
    _, *others = schemas["Command"]["oneOf"]
    for each in others:
        for name in AROUND:
            del schemas[each["$ref"].rpartition("/")[2]]["properties"][name]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Wait less, and make headers of streams fit, where the request would be accepted as it is."""
    if case.operation.path.startswith(STREAM) and case.headers is not None:
        _fit(case)
    if case.query and str(case.query.get("min_position", "")).isdigit() and "wait" not in case.query:
        case.query["wait"] = "5"
        return
    wait: Any = case.query.get("wait") if case.query else None
    if str(wait).replace(".", "", 1).isdigit() and 0 < float(wait) <= 30:
        case.query["wait"] = "0.05" if isinstance(wait, str) else 0.05


def _fit(case: Any) -> None:
    headers, path = case.headers, str(case.path_parameters.get("path", ""))
    if path.isalnum() and path.isascii():
        case.path_parameters["path"] = f"fuzzed{len(path) % 3}"
    query = case.query if case.query is not None else {}
    if query.get("live") == "sse":
        query["live"] = "long-poll"
    if re.match(OFFSET_PATTERN, str(query.get("offset", "0"))) and (query.get("live") or "offset" in query):
        query["offset"] = "-1"
    if "Stream-TTL" in headers and "Stream-Expires-At" in headers and str(headers["Stream-TTL"]).isdigit():
        del headers["Stream-Expires-At"]
    if not all(name in headers for name in PRODUCER) and all(_plain(headers.get(name, "0")) for name in PRODUCER):
        for name in PRODUCER:
            headers.pop(name, None)
    if case.method == "POST" and (isinstance(case.body, NotSet) or not case.body):
        headers["Stream-Closed"] = "true"
    if "Stream-Forked-From" not in headers:
        for name in ("Stream-Fork-Offset", "Stream-Fork-Sub-Offset"):
            headers.pop(name, None)


def _plain(value: object) -> bool:
    return re.fullmatch(r"[!-~]{1,256}", str(value)) is not None
