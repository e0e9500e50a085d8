"""Imports: from a file in staging to one write of a dataset. Each step of the workflow is a function here."""
