"""Servers whose certificate is not to be trusted."""

from pathlib import Path

import pytest
from conftest import DEADLINE
from healing import CANARY, SOON, server

from dxstream import ConnectionLostError, DXLinkStreamer, Endpoint
from dxstream.dxfeed import Quote


@pytest.mark.parametrize(
    ("certificate", "match"),
    [("expired", "not trusted: .*expired"), ("other host", "not trusted: .*not valid for name")],
)
def test_a_certificate_that_is_no_good_is_final_and_its_cause_told(
    tmp_path: Path, certificate: str, match: str
) -> None:
    ca_file = tmp_path / "ca.pem"
    with server(tls=True, certificate=certificate) as exchange:
        ca_file.write_text(exchange.ca_pem or "")
        streamer = DXLinkStreamer(Endpoint(exchange.url, CANARY, ca_file), reconnect=SOON)
        with pytest.raises(ConnectionLostError, match=match), streamer:
            pass
        assert exchange.stats().attempts == 1
        assert exchange.received() == []


def test_a_server_that_comes_back_with_another_authority_ends_the_streamer(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    with server(tls=True) as first:
        ca_file.write_text(first.ca_pem or "")
        endpoint = Endpoint(first.url, CANARY, ca_file)
        with DXLinkStreamer(endpoint, reconnect=SOON) as streamer:
            first.stop()
            with server(tls=True, port=first.port) as second:
                with pytest.raises(ConnectionLostError, match="is not trusted"):
                    streamer.get_event(Quote).result(DEADLINE)
                assert streamer.state == "failed"
                assert second.received() == []
