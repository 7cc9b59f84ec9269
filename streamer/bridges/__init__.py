"""Events to the other tools of a lab or a stage, beside ZeroMQ: one file a protocol."""
