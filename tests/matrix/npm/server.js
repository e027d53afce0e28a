// npm's ws as a server, with compression. The lines that it prints are those of peers/serving.py.
const { WebSocketServer } = require("ws");

const say = (line) => console.log(JSON.stringify(line));
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: true });

server.on("listening", () => {
  say({ port: server.address().port, version: require("ws/package.json").version });
});
server.on("connection", (socket, request) => {
  const [, mode, cell] = request.url.split("/");
  let failed = "";
  socket.on("error", (error) => {
    failed = `, ${error.message}`;
  });
  socket.on("message", (data, binary) => socket.send(data, { binary }));
  socket.on("close", (code) => say({ cell, end: `closed ${code}${failed}` }));
  if (mode === "close") setTimeout(() => socket.close(1000), 500);
});
process.stdin.on("end", () => process.exit()).resume();
