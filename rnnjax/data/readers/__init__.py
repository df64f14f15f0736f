"""Readers: from bytes to records."""
