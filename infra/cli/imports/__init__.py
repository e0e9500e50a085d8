"""Imports from the command line: upload a file, watch what becomes of it, and say how it went."""
