"""Text in: embedding models, collections of objects, and the tasks that fill them."""
