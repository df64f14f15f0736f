"""Encoding: from records to arrays."""
