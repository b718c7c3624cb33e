"""What happens by itself when time has passed: leases, stalls, deadlines; and who was last heard of when."""
