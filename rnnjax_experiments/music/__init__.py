"""Model polyphonic music, and write pieces."""
