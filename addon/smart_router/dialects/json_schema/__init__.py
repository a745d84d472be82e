"""JSON schemas of tools and answers, fitted to the subset that a vendor takes.

A schema is read into an intermediate form (`form`) and written in a subset (`subsets`, `writing`, `openapi`).
`conversion.convert` is the entry point. The result admits all that the schema admits; what it does not forbid
any more is told in descriptions and named in `Converted.losses`.
"""
