"""Being in a session: joining and leaving it, and what is folded of it meanwhile."""
