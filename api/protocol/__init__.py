"""What goes over the wire besides events: the frames of clients, close codes, JSON from outside."""
