"""How well the shipped rules decide: `make accuracy`."""
