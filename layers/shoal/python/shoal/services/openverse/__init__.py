"""Indexes, aliases and tasks of the Openverse ingestion server."""
