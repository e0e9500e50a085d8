"""The native dialect, `/v1`: one module per concern, `routes` lists them all."""
