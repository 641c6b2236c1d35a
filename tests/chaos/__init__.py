"""The product under harm: people who talk, processes that die, and a checker that compares afterwards."""
