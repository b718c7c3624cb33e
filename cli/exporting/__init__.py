"""Exports of sessions: as JSON lines, byte for byte, or as one page that replays a session offline."""
