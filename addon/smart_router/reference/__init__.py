"""The config file's reference: its keys in words, its JSON schema, its effective values."""
