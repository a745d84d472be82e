"""Several machines as one router: what they share in PostgreSQL, beside and never on a request's path."""
