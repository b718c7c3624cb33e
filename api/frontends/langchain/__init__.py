"""LangChain's Agent Streaming Protocol: a thread is a session, a run a turn in it, each other agent a namespace.

- `requests`: what a page sends: commands, and which events it wants.
- `translation`: one event of a session, as events of the protocol. Pure.
- `values`: snapshots of the state, with what was said.
- `encoder`: many events, as bytes that streams with the same filter share.
- `stream`: one connection, which follows a thread over all its runs.
- `routes`: the addresses.
"""

OURS = "stenogram"
"""The key under which what the protocol has no place for is, and what our names begin with."""
