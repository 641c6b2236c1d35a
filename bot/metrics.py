"""What is counted and timed. Labels come from closed sets of our own, never from what people send."""

from prometheus_client import Counter, Gauge, Histogram

_SHORT = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_LONG = (0.01, 0.02, 0.05, 0.1, 0.15, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)

received = Counter("huiyin_received", "Messages at the door, by what became of them", ["channel", "outcome"])
stored = Counter("huiyin_stored", "Messages made durable, or known already", ["channel", "outcome"])
handled = Counter("huiyin_handled", "Messages by what became of them", ["outcome"])
fired = Counter("huiyin_fired", "Deadlines that were fired")
sent = Counter("huiyin_sent", "Sends by what became of them", ["channel", "outcome"])
failed = Counter("huiyin_failed", "What went wrong by itself, by the part it happened in", ["part"])

stage_seconds = Histogram(
    "huiyin_stage_seconds", "How long one store commit, batch or send takes", ["stage"], buckets=_SHORT
)
card_seconds = Histogram(
    "huiyin_card_seconds",
    "From a message's arrival until the platform has the staff card it led to",
    ["urgency"],
    buckets=_LONG,
)

waiting = Gauge("huiyin_waiting", "How much waits in each queue", ["queue"])
oldest_seconds = Gauge("huiyin_oldest_seconds", "How long the oldest in each queue has waited", ["queue"])
database_up = Gauge("huiyin_database_up", "1 where the database answered when it was last asked")
ready = Gauge("huiyin_ready", "1 where this process can do its job, as /readyz says")

storing = stage_seconds.labels("store")
batching = stage_seconds.labels("batch")
sending = stage_seconds.labels("send")

refused = Counter("huiyin_refused", "Messages that neither database nor spool could take", ["channel"])
spool_broken = Counter("huiyin_spool_broken", "Records of the spool that were set aside")
spool_records = Gauge("huiyin_spool_records", "Messages that wait in the spool for the database")
spool_bytes = Gauge("huiyin_spool_bytes", "Bytes of the spool in use")
