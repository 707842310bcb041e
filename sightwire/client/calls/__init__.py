"""Requests of the native API as plain values: what to send, and how to read the answer. No I/O here.

Both clients send these; so they have the same behaviour by construction.
"""

from sightwire.client.calls.backups import list_backups, prune_backups, restore_backup, verify_backup
from sightwire.client.calls.collections import (
    create_collection,
    delete_collection,
    get_collection,
    list_collections,
    platform_status,
)
from sightwire.client.calls.events import EventReader
from sightwire.client.calls.index import (
    cancel_operation,
    diagnosis,
    forget_generation,
    get_operation,
    index_statistics,
    list_generations,
    list_operations,
    operation_events_path,
    read_report,
    start_operation,
)
from sightwire.client.calls.items import (
    delete_item,
    get_item,
    get_picture,
    get_status,
    item_body,
    list_items,
    put_item,
    put_items,
    status_events_path,
    upload_picture,
)
from sightwire.client.calls.request import Call, Picture, PictureSource, VectorSource
from sightwire.client.calls.schedules import (
    act_on_schedule,
    delete_schedule,
    get_schedule,
    list_schedules,
    put_schedule,
    read_calendar,
)
from sightwire.client.calls.search import search
from sightwire.client.calls.training import (
    cancel_training,
    get_training,
    list_training,
    request_training,
    training_events_path,
)

__all__ = [
    "Call",
    "EventReader",
    "Picture",
    "PictureSource",
    "VectorSource",
    "act_on_schedule",
    "cancel_operation",
    "cancel_training",
    "create_collection",
    "delete_collection",
    "delete_item",
    "delete_schedule",
    "diagnosis",
    "forget_generation",
    "get_collection",
    "get_item",
    "get_operation",
    "get_picture",
    "get_schedule",
    "get_status",
    "get_training",
    "index_statistics",
    "item_body",
    "list_backups",
    "list_collections",
    "list_generations",
    "list_items",
    "list_operations",
    "list_schedules",
    "list_training",
    "operation_events_path",
    "platform_status",
    "prune_backups",
    "put_item",
    "put_items",
    "put_schedule",
    "read_calendar",
    "read_report",
    "request_training",
    "restore_backup",
    "search",
    "start_operation",
    "status_events_path",
    "training_events_path",
    "upload_picture",
    "verify_backup",
]
