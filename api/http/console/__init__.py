"""What the console is served with."""
