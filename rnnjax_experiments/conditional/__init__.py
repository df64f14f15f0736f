"""Model texts given their class, and classes given the text."""
