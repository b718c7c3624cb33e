"""What was said and done elsewhere, written into sessions as it happens there: with its own times, by who said it."""
