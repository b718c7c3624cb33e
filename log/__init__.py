"""The append-only log: engines that keep it, the group commit that writes it, the hub that tells of it."""
