"""Streamers as Prometheus metrics."""

import gc
import math
import urllib.error
import urllib.request

import pytest
from conftest import until
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from dxstream import DXLinkStreamer, Endpoint, metrics
from dxstream.dxfeed import Quote
from dxstream.exchange import Exchange, Rules


def families(text: str) -> dict[str, Metric]:
    found = list(text_string_to_metric_families(text))
    names = [family.name for family in found]
    assert len(names) == len(set(names))
    assert all(family.type != "unknown" and family.documentation for family in found)
    return {family.name: family for family in found}


def value(text: str, name: str, **labels: str) -> float:
    samples = [sample for family in families(text).values() for sample in family.samples]
    [found] = [one.value for one in samples if (one.name, one.labels) == (name, labels)]
    return float(found)


def scrape(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def test_what_was_counted_is_rendered(exchange: Exchange) -> None:
    with DXLinkStreamer(exchange.url) as streamer:
        listener = streamer.listen(Quote)
        streamer.subscribe(Quote, ["A", "B"], 0)
        until(lambda: exchange.stats().subscriptions == 2)
        exchange.publish(Quote("A", bid_price=1), Quote("B", bid_price=1))
        assert [next(listener).event_symbol, next(listener).event_symbol] == ["A", "B"]
        # Events are handed on first, and counted when the socket was read empty.
        until(lambda: streamer.stats().events == 2)
        text = metrics.render(streamer)
        of = {"streamer": "0"}
        assert value(text, "dxstream_connected", **of) == 1
        assert value(text, "dxstream_events_total", **of, event_type="Quote") == 2
        assert value(text, "dxstream_listeners", **of, event_type="Quote") == 1
        assert value(text, "dxstream_dropped_events_total", **of, event_type="Quote") == 0
        assert value(text, "dxstream_subscriptions", **of) == 2
        assert value(text, "dxstream_events_per_second", **of) > 0
        assert value(text, "dxstream_parse_to_delivery_seconds_count", **of) > 0
        assert value(text, "dxstream_parse_to_delivery_seconds", **of, quantile="0.99") > 0
    assert value(metrics.render(streamer), "dxstream_connected", **of) == 0


def test_every_number_of_the_counts_is_rendered_for_each_streamer() -> None:
    text = metrics.render(DXLinkStreamer("sim://"), DXLinkStreamer("sim://"))
    found = families(text)
    assert len(found) == text.count("# TYPE ") == text.count("# HELP ")
    for family in found.values():
        numbers = [sample.labels["streamer"] for sample in family.samples]
        assert sorted(set(numbers)) in (["0", "1"], [])
    assert math.isnan(value(text, "dxstream_wire_to_parse_seconds", streamer="1", quantile="0.5"))
    assert metrics.render() == ""


def test_labels_are_escaped() -> None:
    line = metrics._line("name", (("label", 'a"b\\c\nd'),), 1.5)
    [family] = text_string_to_metric_families(f"# HELP name x\n# TYPE name gauge\n{line}\n")
    assert family.samples[0].labels == {"label": 'a"b\\c\nd'}


def test_metrics_are_served_over_http() -> None:
    with DXLinkStreamer("sim://") as streamer, metrics.serve(streamer) as server:
        text, content_type = scrape(server.url)
        assert content_type == metrics.CONTENT_TYPE
        assert value(text, "dxstream_connected", streamer="0") == 1
        for path in ("", "/", "/other"):
            with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                scrape(server.url.removesuffix("/metrics") + path)
            refused.value.close()
        port = int(server.url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match="in use"):
            metrics.serve(streamer, port=port)
    server.stop()
    with pytest.raises(urllib.error.URLError):
        scrape(server.url)


def test_a_server_keeps_no_streamer_alive() -> None:
    streamers = [DXLinkStreamer("sim://"), DXLinkStreamer("sim://")]
    with metrics.serve(*streamers) as server:
        del streamers[0]
        gc.collect()
        text, _ = scrape(server.url)
        assert value(text, "dxstream_connected", streamer="1") == 0
        assert 'streamer="0"' not in text
        streamers.clear()
        gc.collect()
        assert scrape(server.url)[0] == ""


def test_no_metric_holds_the_token() -> None:
    canary = "canary-4f1d"
    with (
        Exchange(None, rules=Rules(tokens=(canary,))) as exchange,
        DXLinkStreamer(Endpoint(exchange.url, canary)) as streamer,
    ):
        assert canary not in metrics.render(streamer)
        assert canary not in repr(streamer.stats())
        assert canary not in repr(streamer.health())
