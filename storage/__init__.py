"""What is remembered: tables, queries and migrations over SQLAlchemy."""
