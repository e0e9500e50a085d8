"""The Embedding Studio dialect, below /api/v1: collections of objects, and the tasks that fill them."""
