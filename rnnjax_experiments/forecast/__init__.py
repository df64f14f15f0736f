"""Forecast series of real values, with intervals."""
