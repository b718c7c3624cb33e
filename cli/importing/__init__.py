"""`stenogram import`: bring exported sessions, or recordings of other systems, into a log."""
