"""The story that the reference's examples are taken from: every command, in an order in which the rules allow it."""

from typing import Any

from stenogram.domain.model import Actor

ADA = Actor("ada", "user")
Scene = tuple[Actor | str, str, dict[str, Any]]
WAIT, REFUSED, UNDER, FORK = "wait: ", "refused: ", "under t-1: ", "session.fork"
GATEWAY = "by the gateway: "
STORY: list[Scene] = [
    (ADA, "session.open", {"title": "A weekend in Lisbon", "labels": {"team": "travel"}}),
    (ADA, "session.describe", {"title": "Three days in Lisbon", "metadata": {"budget": 900}}),
    (ADA, "session.label", {"set": {"stage": "planning"}, "remove": ["team"]}),
    ("hotels", "presence.join", {"name": "Hotels", "about": {"model": "large-1"}}),
    ("hotels", "presence.status", {"status": "working", "activity": "Looking for rooms"}),
    (ADA, "message.post", {"message": "m1", "text": "Find us a hotel."}),
    ("hotels", "tool.call", {"call": "t1", "tool": "search", "arguments": {"city": "Lisbon"}, "audience": ["agents"]}),
    ("hotels", "tool.return", {"call": "t1", "result": ["Tivoli", "Ritz"]}),
    ("hotels", "message.start", {"message": "m2", "reply_to": "m1", "audience": ["users"]}),
    ("hotels", "message.delta", {"message": "m2", "index": 0, "text": "The Tivoli "}),
    ("hotels", "message.delta", {"message": "m2", "index": 1, "text": "has rooms."}),
    ("hotels", "message.complete", {"message": "m2", "deltas": 2, "usage": {"tokens": 5}}),
    ("hotels", "message.start", {"message": "m3"}),
    ("hotels", "message.delta", {"message": "m3", "index": 0, "text": "The Ritz "}),
    ("hotels", "message.abort", {"message": "m3", "reason": "Cancelled by ada."}),
    ("hotels", "state.merge", {"patch": {"hotel": {"name": "Tivoli", "nights": 2}}}),
    (
        ADA,
        "state.patch",
        {"patch": [{"op": "replace", "path": "/hotel/nights", "value": 3}], "if_unchanged": {"/hotel": 16}},
    ),
    ("hotels", "state.increment", {"path": "/searches", "by": 2}),
    ("hotels", "custom.record", {"type": "x.hotel.booked", "data": {"room": 12}, "about": "tivoli"}),
    ("hotels", "presence.leave", {"reason": "Done."}),
    (ADA, "session.close", {"reason": "Booked."}),
    (ADA, "session.reopen", {"reason": "One more night."}),
]
TEAM: list[Scene] = [
    ("rooms", "presence.join", {"name": "Rooms", "lease": 120}),
    ("planner", "task.create", {"task": "t-1", "title": "Find rooms", "input": {"city": "Lisbon"}, "stall_after": 60}),
    (
        "planner",
        "task.create",
        {"task": "t-2", "title": "Book", "parent": "t-1", "needs": ["t-1"], "dedupe_key": "book"},
    ),
    ("rooms", "task.claim", {"task": "t-1", "lease": 300}),
    ("rooms", WAIT, {"seconds": 60}),
    ("rooms", "task.progress", {"task": "t-1", "attempt": 1, "note": "Two hotels have answered.", "share": 0.5}),
    ("rooms", UNDER + "tool.call", {"call": "t2", "tool": "search", "arguments": {"city": "Lisbon"}}),
    ("rooms", UNDER + "tool.output", {"call": "t2", "index": 0, "text": "2 hotels have answered\n"}),
    ("rooms", WAIT, {"seconds": 120}),
    ("suites", "task.claim", {"task": "t-1"}),
    ("rooms", REFUSED + "task.complete", {"task": "t-1", "attempt": 1, "output": {"room": 12}}),
    (ADA, "signal.raise", {"signal": "s-1", "kind": "steer", "target": "task:t-1", "body": "With a view, please."}),
    ("suites", "signal.deliver", {"signal": "s-1"}),
    ("suites", "signal.honour", {"signal": "s-1"}),
    (ADA, "signal.raise", {"signal": "s-0", "kind": "steer", "target": "agent:suites", "body": "No hostels."}),
    (ADA, "signal.withdraw", {"signal": "s-0", "reason": "There are none."}),
    ("suites", "task.release", {"task": "t-1", "attempt": 2, "reason": "My shift ends.", "usage": {"tokens": 812}}),
    ("planner", "task.reroute", {"task": "t-1", "to": "rooms", "input": {"city": "Sintra"}}),
    (ADA, "signal.raise", {"signal": "s-2", "kind": "steer", "target": "task:t-1", "body": "By the sea."}),
    ("rooms", "task.claim", {"task": "t-1"}),
    ("rooms", "signal.refuse", {"signal": "s-2", "reason": "Sintra lies inland."}),
    (
        "rooms",
        UNDER + "approval.request",
        {"approval": "a-1", "question": "The Tivoli at 210 €?", "within": 300, "default": "no"},
    ),
    (ADA, "approval.answer", {"approval": "a-1", "option": "yes", "comment": "Go ahead."}),
    (ADA, "approval.configure", {"default_after": 10}),
    ("planner", "approval.request", {"approval": "a-2", "question": "Breakfast?", "within": 10, "default": "no"}),
    ("planner", WAIT, {"seconds": 10}),
    ("planner", "approval.request", {"approval": "a-3", "question": "A car?"}),
    ("planner", "approval.withdraw", {"approval": "a-3", "reason": "There is a train."}),
    ("rooms", "task.complete", {"task": "t-1", "attempt": 3, "output": {"hotel": "Tivoli"}}),
    ("rooms", "task.claim", {"task": "t-2"}),
    ("rooms", "task.fail", {"task": "t-2", "attempt": 1, "error": "The hotel's site is down.", "retryable": True}),
    ("rooms", "task.claim", {"task": "t-2"}),
    (ADA, "signal.raise", {"signal": "s-3", "kind": "cancel", "target": "agent:rooms", "grace": 5}),
    (ADA, WAIT, {"seconds": 5}),
    ("planner", "task.create", {"task": "t-3", "title": "Find a car", "max_attempts": 3, "backoff": 10}),
    ("planner", "task.create", {"task": "t-4", "title": "Drive", "needs": ["t-3"]}),
    ("cars", "task.claim", {"task": "t-3"}),
    ("cars", "task.fail", {"task": "t-3", "attempt": 1, "error": "The hotel's site is down.", "retryable": True}),
    ("cars", WAIT, {"seconds": 10}),
    ("planner", "task.cancel", {"task": "t-3", "reason": "There is a train."}),
    (
        "planner",
        "approval.request",
        {
            "approval": "a-4",
            "question": "Send this to the hotel? We come on Friday.",
            "options": ["send", "drop"],
            "answer_schema": {"type": "object", "properties": {"text": {"type": "string", "maxLength": 2000}}},
        },
    ),
    (ADA, "approval.answer", {"approval": "a-4", "option": "send", "value": {"text": "We come on Thursday."}}),
    (ADA, "floor.move", {"speakers": ["planner"]}),
    ("suites", "presence.join", {}),
    ("suites", "presence.status", {"status": "working", "activity": "Comparing prices"}),
    (ADA, FORK, {"origin": "trip-7", "at": 12, "title": "What if we went to Sintra?"}),
]
STORY[-2:-2] = TEAM
STREAM: list[Scene] = [
    (
        "hotels",
        "stream.create",
        {"content_type": "application/json", "ttl": 3600, "content": {"messages": [{"hotel": "Tivoli"}]}},
    ),
    (
        "hotels",
        "stream.append",
        {"content": {"messages": [{"hotel": "Ritz"}]}, "producer": {"id": "search", "epoch": 0, "seq": 0}},
    ),
    ("hotels", WAIT, {"seconds": 600}),
    ("stenogram", GATEWAY + "stream.renew", {}),
    (ADA, GATEWAY + "stream.note_fork", {"fork": "prices:8", "since": 2}),
    ("hotels", "stream.close", {"producer": {"id": "search", "epoch": 0, "seq": 1}}),
    (ADA, "stream.delete", {}),
]
"""What happens in a session of its own, `prices:7`."""
SUBSCRIBED = "stream-subscription:7c211433f02071597741e6ff5a8ea34789abbe43"
_WATCHING = {"delivery": "pull-wake", "pattern": "prices/*", "wake_stream": "wakes:prices", "lease_ms": 30_000}
_GRANT = {"kind": "agent", "read": ["prices:*"], "expires": 1_800_000_000}
_END = {"session": "prices:7", "place": 4}
SUBSCRIPTION: list[Scene] = [
    (
        "hotels",
        GATEWAY + "stream_subscription.create",
        {
            "name": "price-watch",
            "config": _WATCHING,
            "grant": _GRANT,
            "base": "https://stenogram.example.com",
            "links": [{"session": "prices:7", "acked": 2}],
        },
    ),
    (
        "hotels",
        GATEWAY + "stream_subscription.create",
        {
            "name": "price-watch",
            "config": _WATCHING,
            "grant": {**_GRANT, "expires": 1_900_000_000},
            "base": "https://stenogram.example.com",
        },
    ),
    ("hotels", GATEWAY + "stream_subscription.link", {"links": [{"session": "rates:1", "explicit": True}]}),
    ("hotels", GATEWAY + "stream_subscription.unlink", {"stream": "rates:1"}),
    ("stenogram", GATEWAY + "stream_subscription.wake", {"wake": "w_1", "streams": [_END]}),
    ("stenogram", GATEWAY + "stream_subscription.fail", {"generation": 1, "wake": "w_1", "reason": "wake_stream"}),
    ("stenogram", WAIT, {"seconds": 1}),
    ("hotels", GATEWAY + "stream_subscription.claim", {"wake": "w_2", "worker": "worker-1", "streams": [_END]}),
    ("hotels", GATEWAY + "stream_subscription.ack", {"generation": 2, "wake": "w_2", "acks": [_END]}),
    ("hotels", GATEWAY + "stream_subscription.release", {"generation": 2, "wake": "w_2"}),
    ("hotels", GATEWAY + "stream_subscription.delete", {}),
]
