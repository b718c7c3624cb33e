"""The gateway: HTTP, WebSocket and server-sent events over aiohttp."""
