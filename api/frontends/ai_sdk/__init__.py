"""The UI-message stream of Vercel's AI SDK, v1 (ai-sdk.dev): a chat is a session, an assistant's message is a run.

- `chunks`: what things of a session are, as the protocol's chunks. Pure.
- `translation`: one event of a session, as chunks.
- `encoder`: many of them, as bytes that all streams of a run share.
- `replay`, `endings`: what a stream begins and ends with.
- `history`: the messages of a chat, as a page has them when it is loaded.
- `chat_input`, `chat_requests`: what a page sends.
- `routes`: the addresses, which are those of the SDK's own transport.

Who speaks under the run's task is the assistant. The others are `data-agent-*` parts, which have ids: one that comes
again takes the place of the one before. What belongs to no message is transient, for `onData`.
"""

OURS = "stenogram"
"""The key of metadata under which the envelope's members are."""
PART = "ai_sdk.part"
"""The name of a data part that is a part of a message in the AI SDK's form."""
METADATA = "ai_sdk.metadata"
"""The member of a message's metadata with what its page gave it."""
HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}
"""By which the SDK knows the protocol."""
