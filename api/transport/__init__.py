"""Connections: WebSockets and server-sent event streams, and what both are made of."""
