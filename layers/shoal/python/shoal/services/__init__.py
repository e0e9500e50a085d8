"""Use cases: write, commit, build, query. They take ports as arguments and never import boto3."""
