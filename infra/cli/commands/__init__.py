"""The commands of `shoal`: one module each, imported at start, so they import little themselves."""
