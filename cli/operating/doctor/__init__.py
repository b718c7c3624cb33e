"""`stenogram doctor`: what is wrong with a gateway's settings and surroundings, and what to do about it."""
