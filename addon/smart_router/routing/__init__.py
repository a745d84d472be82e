"""Which model a prompt needs, and in which order candidates are tried; pure."""
