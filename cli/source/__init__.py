"""Where the reading commands read: one port, over a file or a gateway."""
