"""Stenogram under what people have: protocols and frameworks of agents, each in a module of its own.

    mcp            an MCP server: coding agents and other MCP clients take part in sessions
    claude_agent_sdk  a session store: transcripts are sessions
    google_adk     a session service
    langgraph      a checkpointer: threads are sessions
    pydantic_ai    a conversation store: conversations are sessions
    openai_agents  sessions of the SDK: conversations are sessions
    taps           what the agents of a framework do, recorded as it happens
    recordings     what `stenogram import` reads besides its own format, and `stenogram record` follows; needs no extra

Each other needs an extra of the package (`pip install stenogram[mcp]`) and imports it when it is imported itself. They
use the client alone: what they do, any program may do.
"""
