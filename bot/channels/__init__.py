"""The platforms, one module each; nothing else here knows a platform's library or wire format."""
