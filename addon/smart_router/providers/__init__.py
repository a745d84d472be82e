"""The providers: one module for each, their registry, and the model catalogue."""
