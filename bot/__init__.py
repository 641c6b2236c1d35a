"""The running process: configuration, wiring, channels, dispatcher, outbox, clock, web."""
