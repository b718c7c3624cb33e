"""The past, served: what views and sessions were at a moment, folded where no command waits for it."""
