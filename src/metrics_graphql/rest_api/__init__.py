"""The REST door: the v3 shim. Knows no SQL and no GraphQL."""
