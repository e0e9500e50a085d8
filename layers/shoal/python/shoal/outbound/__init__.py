"""The one way out: requests to addresses that users gave, sent by a function that reaches no data."""
