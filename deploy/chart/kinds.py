"""What values of the chart are made of: texts, numbers and names with their limits, and groups of them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Maybe = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=86_400)]
Period = Annotated[int, msgspec.Meta(ge=1, le=1800)]
Quantity = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]
MaybeName = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", max_length=253)]
SecretName = Annotated[
    str, msgspec.Meta(pattern=r"^([a-z0-9]|\{role\})(([a-z0-9.-]|\{role\})*([a-z0-9]|\{role\}))?$", max_length=253)
]
EventType = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9][-._a-zA-Z0-9]*$", max_length=200)]
Key = Annotated[str, msgspec.Meta(pattern=r"^[-._a-zA-Z0-9]+$")]
Label = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
LabelName = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]
WorkerName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=30)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^(sha256:[0-9a-f]{64})?$")]
Host = Annotated[str, msgspec.Meta(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Url = Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s]+)?$")]
Labels = dict[LabelName, Label]
Annotations = dict[LabelName, str]
Object = dict[str, Any]


class Group(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True, omit_defaults=False):
    """Values that belong together; the docstring of each kind gives their meanings."""
