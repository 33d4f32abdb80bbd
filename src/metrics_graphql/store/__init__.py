"""Tables, statements and engines. The only room that imports SQLAlchemy; it knows no HTTP."""
