"""Plays whole scenarios of office life through the real bot, and holds what comes out against targets."""
