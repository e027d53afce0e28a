// node echo-server.js [FOLDER]: an echo server on a free port, without compression and limit; over
// TLS with the certificate in FOLDER/server.pem.
const fs = require("fs");
const http = require("http");
const https = require("https");
const { WebSocketServer } = require("ws");
const ready = require("./ready");

const [folder] = process.argv.slice(2);
const pem = folder && fs.readFileSync(`${folder}/server.pem`);
const server = folder ? https.createServer({ cert: pem, key: pem }) : http.createServer();
const options = { server, perMessageDeflate: false, maxPayload: 0 };

new WebSocketServer(options).on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  socket.on("error", console.error);
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => ready(server.address().port));
