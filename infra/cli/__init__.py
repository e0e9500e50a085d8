"""The command line `shoal`, and the typed client that it is built on."""
