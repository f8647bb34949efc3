"""Who may do what: keys, their scopes, how often, and where the server may be reached without them."""
