"""Ways to run one core over time, one a file; `table.py` lists them."""
