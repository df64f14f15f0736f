"""The default data: made of Python's own library and manual, or generated."""
