"""Recognition: lines of handwritten digits, and speech."""
