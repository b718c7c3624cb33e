"""AG-UI 1.0 (docs.ag-ui.com): a thread is a session, a run is an attached turn, each agent is a subagent.

- `translation`: one event of a session, as events of the protocol. Pure.
- `encoder`: many of them, as bytes that all streams share.
- `snapshot`, `endings`: what a stream begins and ends with.
- `run_input`: what a page sends to begin a run.
- `routes`: the addresses; those of CopilotKit's runtime are the same.

What is ours goes into `metadata` and `CUSTOM` only: older clients die of events that they do not know.
"""

PROTOCOL_VERSION = "1.0"
OURS = "stenogram"
"""The key of `metadata` under which the envelope's members are, and what our names begin with."""
