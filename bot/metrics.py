"""What is counted."""

from prometheus_client import Counter

received = Counter("huiyin_received", "Messages at the door, by what became of them", ["channel", "outcome"])
handled = Counter("huiyin_handled", "Messages by what became of them", ["outcome"])
sent = Counter("huiyin_sent", "Sends by what became of them", ["channel", "outcome"])
