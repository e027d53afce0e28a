// node echo-client.js PORT CONNECTIONS [FOLDER]: connects so often, without compression and limit,
// and echoes what comes; over TLS to whom FOLDER/ca.pem stands for.
const fs = require("fs");
const WebSocket = require("ws");
const ready = require("./ready");

const [port, connections, folder] = process.argv.slice(2);
const options = { perMessageDeflate: false, maxPayload: 0 };
if (folder) options.ca = fs.readFileSync(`${folder}/ca.pem`);

ready(Number(port));
for (let i = 0; i < Number(connections); i++) {
  const socket = new WebSocket(`${folder ? "wss" : "ws"}://127.0.0.1:${port}/`, options);
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  socket.on("error", console.error);
}
