"""Whatever strangers may send us, and the clerk may write."""
