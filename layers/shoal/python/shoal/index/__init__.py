"""Exact scan, hnswlib, the shard codec, the id index and the dead rows: bytes and arrays, no AWS."""
