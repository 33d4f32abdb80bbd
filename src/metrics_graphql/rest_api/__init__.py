"""The REST API: the session metrics endpoints of the Devin v3 API."""
