"""Devices that ask: pages, polls that find nothing new, and polls that wait."""
