// npm's ws, without compression and limit: `node echo.js echo` is a server, `client` a client.
// The options are those of peers/__init__.py.
const fs = require("fs");
const http = require("http");
const https = require("https");
const { parseArgs } = require("util");
const WebSocket = require("ws");

const names = ["loop", "upstream", "connections", "tls"];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
});
const installed = (name) => {
  try {
    return `${name} ${require(`${name}/package.json`).version}`;
  } catch {
    return `without ${name}`;
  }
};

const ready = (port) => {
  const build = `node ${process.versions.node}, ${installed("bufferutil")}`;
  console.log(JSON.stringify({ port, version: installed("ws"), build }));
  process.stdin.on("end", () => process.exit()).resume();
};

const echo = (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  socket.on("error", console.error);
};

const options = { perMessageDeflate: false, maxPayload: 0 };
if (positionals[0] === "client") {
  ready(Number(values.upstream));
  for (let i = 0; i < Number(values.connections); i++)
    echo(new WebSocket(`ws://127.0.0.1:${values.upstream}/`, options));
} else {
  const pem = values.tls && fs.readFileSync(values.tls);
  const server = pem ? https.createServer({ cert: pem, key: pem }) : http.createServer();
  new WebSocket.WebSocketServer({ ...options, server }).on("connection", echo);
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => ready(server.address().port));
}
