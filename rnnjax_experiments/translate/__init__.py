"""Translate; by default, written dates into ISO 8601."""
