"""Tables, SQL and database engines. Implements `core.repository.Repository` as `Storage`.

The only package that imports SQLAlchemy. Functions named `select_*`, `insert_*`, `create_*` or
`delete_*` return statements; coroutines execute statements.
"""
