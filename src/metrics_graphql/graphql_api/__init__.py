"""The GraphQL door: the Strawberry schema, and GraphQL over HTTP. Knows no SQL and no REST."""
