"""Long reads: what is folded or rendered for long, where no command waits for it."""
