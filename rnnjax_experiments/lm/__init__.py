"""Train language models of characters, words, pieces of words or bytes; write, score."""
