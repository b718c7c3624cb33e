"""Who may do what: tokens, principals, web origins, rate limits."""
