"""Vocabularies: from symbols to ids and back."""
