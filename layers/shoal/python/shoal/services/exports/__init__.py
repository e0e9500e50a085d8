"""Exports: a version of a dataset, written as Parquet files that an import takes back."""
