"""Readers: from files to records, which hold strings."""
