"""The console: what lockstep is doing and has done, for people who operate it, in a browser."""
