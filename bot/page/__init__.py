"""The residents' page: the same talk as in a chat, for any phone with a browser and nothing else."""
