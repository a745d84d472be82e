"""The parts of bench_gateway.py: the provider, the load generator, the gateways, what is measured."""
