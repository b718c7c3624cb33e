"""One module per concept of a session: its events, its commands, its state, and how one becomes the other."""
