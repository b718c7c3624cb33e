"""Loaded by schemathesis: what makes its run short. A long poll is asked to wait for a moment only; who asks for a view
as new as a position waits until it is. What stands around a command is read by one model whatever the command is: it is
tried with the first, or in the long form with each. Which JSON Schemas a question may have, no schema can say: two that
are taken are tried."""

import os
from typing import Any

import schemathesis

AROUND = ("expect", "producer", "under")


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Describe what stands around a command with the first one alone, and the schemas that a question may have."""
    taken = {"enum": [None, {"type": "string"}, {"type": "object", "properties": {"a": {"type": "integer"}}}]}
    for asks in ("RequestApproval", "Question"):
        raw_schema["components"]["schemas"][asks]["properties"]["answer_schema"] = taken
    if os.environ.get("STENOGRAM_TEST_OPERATIONS") == "all":
        return
    schemas = raw_schema["components"]["schemas"]
    _, *others = schemas["Command"]["oneOf"]
    for each in others:
        for name in AROUND:
            del schemas[each["$ref"].rpartition("/")[2]]["properties"][name]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Wait less, where the request would be accepted as it is."""
    if case.query and str(case.query.get("min_position", "")).isdigit() and "wait" not in case.query:
        case.query["wait"] = "5"
        return
    wait: Any = case.query.get("wait") if case.query else None
    if str(wait).replace(".", "", 1).isdigit() and 0 < float(wait) <= 30:
        case.query["wait"] = "0.05" if isinstance(wait, str) else 0.05
