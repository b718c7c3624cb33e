"""What users need to test against Hansard: an in-memory log and the contract of an engine."""
