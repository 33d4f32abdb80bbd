"""Lets `python -m metrics_graphql` be the command line."""

from metrics_graphql.cli import main

main()
