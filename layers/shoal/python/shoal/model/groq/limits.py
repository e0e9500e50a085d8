"""How large an expression may be. Each bounds what one document can cost."""

MAX_BYTES = 8192
"""An expression, as UTF-8."""
MAX_DEPTH = 64
"""Parentheses, arrays, projections, `!` and the parts of a path, inside or behind one another."""
MAX_PATHS = 128
"""Paths: each of them may lead to every value of the document."""
MAX_SEARCHES = 16
"""`match` and `references()`: each of them reads a whole text, or the whole document."""
MAX_WILDCARDS = 32
"""Words with a `*` in the patterns of `match`: each of them is held against every word of a text."""
