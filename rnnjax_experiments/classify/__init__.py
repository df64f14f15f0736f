"""Classify texts, or pairs of sentences."""
