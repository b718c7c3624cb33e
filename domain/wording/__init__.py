"""What is said of input that is refused: the words, apart from the rules that refuse it."""
