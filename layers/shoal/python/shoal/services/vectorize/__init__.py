"""What the dialect of Vectorize keeps beside datasets: descriptions, metadata indexes, names that were deleted."""
