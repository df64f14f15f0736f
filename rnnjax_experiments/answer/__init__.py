"""Answer questions about a story with a span of it."""
