"""What is remembered, on the real database."""
