"""What flows: events, positions, topology, transport, tables; the composition root of a worker."""
