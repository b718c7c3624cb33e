"""What holds a participant back in a session: fences and pauses."""
