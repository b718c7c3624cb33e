"""Processes beside a gateway's: how it starts, watches and ends them, and what they have in common."""
