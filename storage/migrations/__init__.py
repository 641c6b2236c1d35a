"""Alembic: how a database comes to the present schema."""
