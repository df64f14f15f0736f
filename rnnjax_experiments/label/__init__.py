"""Label the words of sentences."""
