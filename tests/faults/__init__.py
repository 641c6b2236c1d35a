"""What survives when processes die and platforms misbehave."""
