"""Derived datasets: the records of another one that a condition leaves in, sharing its shards."""
