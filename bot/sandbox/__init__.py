"""A stand-in for the chat platforms on loopback: it speaks their real protocols and plays the people."""
