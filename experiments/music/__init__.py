"""Polyphonic music."""
