"""Kernels, which run one core over time, one per file; `table.py` lists them."""
