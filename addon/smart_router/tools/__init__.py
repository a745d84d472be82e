"""Coding tools: the variables, arguments and files that make them use the router."""
