"""Fault injection: responses under load during a fault, and consistency afterwards."""
