"""`stenogram record`: what other programs do, written into sessions while it happens."""
