"""The REST shim: the endpoints of the Devin v3 API, from a query string to the OpenAPI JSON."""
