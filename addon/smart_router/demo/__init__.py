"""`smart-router demo`: the whole router at work, with no key and no network."""
