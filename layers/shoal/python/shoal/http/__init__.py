"""Authentication, routing, and one module per HTTP dialect."""
