"""Documents of content: exports of them, from the disk into a dataset."""
