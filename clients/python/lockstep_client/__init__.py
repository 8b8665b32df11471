"""What devices and producers of lockstep need: `Device`, `Producer`, and the single steps below them."""

from lockstep_client.connection import DeviceClient, Page, Socket
from lockstep_client.cursors import BadFile, CursorFile, Cursors
from lockstep_client.device import Device
from lockstep_client.producer import Placed, Producer, Unpublished, cloud_event
from lockstep_client.rules import CODES, Closed, Refused, Seen

__all__ = [
    "CODES", "BadFile", "Closed", "CursorFile", "Cursors", "Device", "DeviceClient", "Page", "Placed", "Producer",
    "Refused", "Seen", "Socket", "Unpublished", "cloud_event",
]  # fmt: skip
