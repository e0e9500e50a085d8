"""The janitor: removes what nothing needs any more (invariant 7), and keeps the bucket's descriptors true."""
