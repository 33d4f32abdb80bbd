"""Tables, SQL and database engines. Implements `core.repository.Repository` as `Storage`.

The only package that imports SQLAlchemy.
"""
