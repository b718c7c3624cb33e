"""Whether the rules would have written a history that comes from elsewhere."""
