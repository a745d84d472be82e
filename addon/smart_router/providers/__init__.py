"""Who can be asked: one table row per provider, the model catalogue, and what their errors mean."""
