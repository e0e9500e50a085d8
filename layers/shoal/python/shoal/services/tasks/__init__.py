"""Tasks of collections: accepted into the line of their family, and done in its order."""
