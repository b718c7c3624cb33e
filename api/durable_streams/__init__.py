"""The Durable Streams protocol (PROTOCOL 1.0), over the same log, places, rights and audiences as everything else.

    /v1/stream/{path} → the session of that name → its stream, or its events as JSON

A stream is what the domain says (`domain.concepts.streams`), and every append is a command. A session without a stream
is read as a stream of JSON whose messages are its events; it is written by commands of its own. Nothing is kept here.
"""
