"""Loaded by schemathesis: what makes its run short. A long poll is asked to wait for a moment only; who asks for a view
as new as a position waits until it is."""

from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Wait less, where the request would be accepted as it is."""
    if case.query and str(case.query.get("min_position", "")).isdigit() and "wait" not in case.query:
        case.query["wait"] = "5"
        return
    wait: Any = case.query.get("wait") if case.query else None
    if str(wait).replace(".", "", 1).isdigit() and 0 < float(wait) <= 30:
        case.query["wait"] = "0.05" if isinstance(wait, str) else 0.05
