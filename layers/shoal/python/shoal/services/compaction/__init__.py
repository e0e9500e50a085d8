"""Compaction: an import of a dataset's own rows. Each step of the workflow is a function here or in `pipeline`."""
