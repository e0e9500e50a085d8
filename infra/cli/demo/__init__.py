"""The demo: 19,796 AWS API operations, searched by what they do."""
