"""What devices, producers and people talk to: sockets, pull, command line."""
