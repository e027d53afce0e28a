// node echo-server.js OPTIONS: prints its port, and echoes each message in two fragments.
// OPTIONS is the JSON of what `ws` takes as perMessageDeflate.
const { WebSocketServer } = require("ws");

const options = { threshold: 0, ...JSON.parse(process.argv[2]) };
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: options });

server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => {
    const half = data.length >> 1;
    socket.send(data.subarray(0, half), { binary, fin: false });
    socket.send(data.subarray(half), { binary, fin: true });
  });
});
