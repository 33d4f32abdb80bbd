"""The GraphQL API: the Strawberry schema, its fast path, and GraphQL over HTTP."""
