"""Devices on WebSockets: connections, frames, messages, and the gateway that holds them."""
