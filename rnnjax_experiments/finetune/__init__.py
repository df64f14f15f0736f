"""Tune a pre-trained encoder for labels, classes or sentence pairs."""
