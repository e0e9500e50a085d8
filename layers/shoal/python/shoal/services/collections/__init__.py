"""Collections: datasets that are bound to an embedding model, and the active one of each family."""  # noqa: A005 - never imported by its bare name
