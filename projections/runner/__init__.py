"""What keeps views current: it reads the log once for all of them, folds, and commits with checkpoints."""
