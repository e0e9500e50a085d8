"""The ports (objects, table, queue), their in-memory fakes, and their AWS adapters."""
