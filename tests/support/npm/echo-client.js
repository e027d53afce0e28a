// node echo-client.js URL OPTIONS: sends messages, whole and in two fragments, and prints the
// extensions of the connection once each has come back; an error goes to stderr.
// OPTIONS is the JSON of what `ws` takes as perMessageDeflate.
const assert = require("assert");
const crypto = require("crypto");
const WebSocket = require("ws");

const [url, options] = process.argv.slice(2);
const noise = crypto.randomBytes(5000);
const rows = JSON.stringify([...Array(60).keys()].map((id) => ({ id, name: `name ${id}` })));
const messages = ["", "Hello", rows, rows, noise, Buffer.alloc(0), noise, "x".repeat(100000)];
const perMessageDeflate = { threshold: 0, ...JSON.parse(options) };
const socket = new WebSocket(url, { perMessageDeflate });

const send = (message, fragments) => {
  const data = Buffer.from(message);
  const binary = typeof message !== "string";
  const half = data.length >> 1;
  if (fragments) {
    socket.send(data.subarray(0, half), { binary, fin: false });
    socket.send(data.subarray(half), { binary, fin: true });
  } else {
    socket.send(data, { binary });
  }
};

let waiting = [];
socket.on("open", () => {
  for (const fragments of [false, true]) {
    for (const message of messages) {
      waiting.push(message);
      send(message, fragments);
    }
  }
});
socket.on("message", (data, binary) => {
  const expected = waiting.shift();
  assert.strictEqual(binary, typeof expected !== "string");
  assert.ok(Buffer.from(expected).equals(data));
  if (waiting.length === 0) socket.close(1000);
});
socket.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
socket.on("close", (code) => {
  assert.strictEqual(code, 1000);
  console.log(socket.extensions);
});
