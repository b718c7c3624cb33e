"""The rules of a session: events, commands, and how one becomes the other. Pure: no I/O, no clock, no randomness."""
