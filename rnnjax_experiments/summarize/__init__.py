"""Summarise texts, with words copied from them."""
