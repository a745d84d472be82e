"""Wire formats. Each module translates one of them to and from the hub (OpenAI chat); pure, no I/O."""
