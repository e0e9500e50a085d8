"""The dialect of the Openverse ingestion server: tasks that make indexes, and aliases that stand for them."""
