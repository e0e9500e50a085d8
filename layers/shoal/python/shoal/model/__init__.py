"""Frozen types and pure rules. Nothing in here does I/O or imports anything of ours but errors."""
