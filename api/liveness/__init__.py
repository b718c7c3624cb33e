"""What happens of itself when time has passed: leases, stalls, deadlines; and who was heard of last."""
