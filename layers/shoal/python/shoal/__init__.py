"""Shoal: a vector database made only of serverless parts. This package is what every function imports."""

__version__ = "0.1.0"
