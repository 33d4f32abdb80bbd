"""Ingestion: reads sessions from files, v3 APIs and a generator, validates and stores them."""
