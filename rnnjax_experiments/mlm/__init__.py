"""Pre-train an encoder with masked tokens."""
