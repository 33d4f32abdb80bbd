"""Runs the command line: `python -m metrics_graphql`."""

from metrics_graphql.cli import main

main()
