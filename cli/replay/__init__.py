"""`stenogram replay`: a session happens once more."""
