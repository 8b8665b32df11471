"""What became of events, for people who ask: traces, audits, dead letters."""
