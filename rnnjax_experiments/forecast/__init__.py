"""Forecasting series of real values."""
