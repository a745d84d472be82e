"""The soak: faults at the provider, clients, verdicts on their answers, and the report."""
