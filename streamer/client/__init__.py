"""A subscriber: events in order, gaps, replay; and what `listen` and `health` make of them."""
