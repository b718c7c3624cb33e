"""What is told of a gateway at work: lines in its log, counts, and spans. Tokens are in none of them."""
