// dxFeed's client: subscribes to what the argument says and prints what it gets, a JSON object a
// line, until its input ends.
"use strict";

const {
  DXLinkDepthOfMarket,
  DXLinkFeed,
  DXLinkWebSocketClient,
  FeedContract,
} = require("@dxfeed/dxlink-api");

// Node has a WebSocket of its own from version 22 on.
globalThis.WebSocket ??= require("ws").WebSocket;

const REMOVE_EVENT = 0x02;
const SNAPSHOT_BEGIN = 0x04;
const SNAPSHOT_END = 0x08;

const { url, token, quotes = [], candles = [], depth } = JSON.parse(process.argv[2]);

const print = (from, what) => process.stdout.write(`${JSON.stringify({ from, ...what })}\n`);

const client = new DXLinkWebSocketClient();
client.addErrorListener((error) => print("error", { error }));
client.addAuthStateChangeListener((state) => {
  print("authorization", { state, details: client.getConnectionDetails() });
});
client.setAuthToken(token);
client.connect(url);

for (const { format, symbols, fields } of quotes) {
  const feed = new DXLinkFeed(client, FeedContract.AUTO);
  feed.configure({
    acceptAggregationPeriod: 0,
    acceptDataFormat: format,
    acceptEventFields: fields && { Quote: fields },
  });
  feed.addEventListener((events) => print(format, { config: feed.getConfig(), events }));
  feed.addSubscriptions(symbols.map((symbol) => ({ type: "Quote", symbol })));
}

for (const { symbol, fromTime } of candles) {
  const feed = new DXLinkFeed(client, FeedContract.HISTORY);
  feed.configure({ acceptAggregationPeriod: 0, acceptDataFormat: "COMPACT" });
  const bars = new Map();
  let loading = false;
  feed.addEventListener((events) => {
    for (const { eventFlags, index, ...bar } of events) {
      if (eventFlags & SNAPSHOT_BEGIN) {
        bars.clear();
        loading = true;
      }
      if (eventFlags & REMOVE_EVENT) {
        bars.delete(index);
      } else {
        bars.set(index, bar);
      }
      if (eventFlags & SNAPSHOT_END) {
        loading = false;
      }
    }
    if (!loading) {
      print(symbol, { bars: [...bars.values()] });
    }
  });
  feed.addSubscriptions({ type: "Candle", symbol, fromTime });
}

if (depth !== undefined) {
  const { symbol, limit } = depth;
  const book = new DXLinkDepthOfMarket(client, { symbol, sources: ["NTV"] });
  book.configure({ acceptAggregationPeriod: 0, acceptDepthLimit: limit });
  book.addSnapshotListener((time, bids, asks) => {
    print("depth", { config: book.getConfig(), time, bids, asks });
  });
}

process.stdin.on("end", () => client.close()).resume();
