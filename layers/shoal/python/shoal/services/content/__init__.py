"""Documents, the indexes that are made of them, and the webhooks that keep both current."""
