"""Batches: from arrays to the steps of training."""
