"""TanStack AI: AG-UI's events, in the order in which its client shows them right, over its own resume contract.

- `translation`: AG-UI's events as that client takes them. Pure.
- `hydration`: what a page shows before it joins a run.
- `encoder`: how its groups of events are written.
- `conversation`: a WebSocket over which a page has all its runs.
- `routes`: one address for each thread, which the page gives to its connection adapter.
"""

FROM_START = "-1"
"""The `offset` of who has nothing of a run yet."""
