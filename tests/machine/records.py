"""Records of items, as events would have made them."""

from __future__ import annotations

from deltafold.machine.build import item_from
from deltafold.machine.lifecycle import ItemState
from deltafold.machine.records import ItemRecord
from deltafold.testing.payloads import JSON


def record_of(item: JSON, *, done: bool = False, kind: str = "") -> ItemRecord:
    """The record of an item as it was announced, or as it was sent whole."""
    record = ItemRecord(0, kind, None)
    record.merge(item)
    if done:
        record.set_complete(item_from(item, whole=True))
        record.state = ItemState.DONE
    return record
