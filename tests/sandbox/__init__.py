"""The sandbox, checked by independent clients."""
