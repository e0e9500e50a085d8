"""Exports: a version of a dataset as files on this machine, and back."""
