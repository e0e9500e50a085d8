"""Embedding models: text to unit vectors."""
