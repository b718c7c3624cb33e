"""Group commit: what waits is taken in, planned together, and written by one commit."""
