"""Benchmarks: the measurements of docs/benchmarks.md."""
