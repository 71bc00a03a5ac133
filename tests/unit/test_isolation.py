"""The tests run offline."""

from __future__ import annotations

import os
import socket

import pytest


def test_connections_leave_this_machine_only_as_errors() -> None:
    # 192.0.2.0/24 is set aside for documentation and leads nowhere (RFC 5737).
    with socket.socket() as client, pytest.raises(OSError, match="tests run offline"):
        client.connect(("192.0.2.1", 80))


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())


def test_the_hub_is_switched_off() -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
