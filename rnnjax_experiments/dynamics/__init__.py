"""Measure gradients, activations and what cells can learn."""
