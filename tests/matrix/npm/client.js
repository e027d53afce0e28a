// node client.js ws|global: npm's ws, or Node's own WebSocket, as a client.
// The lines that it reads and prints are those of peers/attending.py.
const readline = require("readline");
const { talk } = require("./talk.js");

const say = (line) => console.log(JSON.stringify(line));
const own = process.argv[2] === "global";
const Client = own ? WebSocket : require("ws");
const { node, undici } = process.versions;

say({ version: own ? `${node} (undici ${undici})` : require("ws/package.json").version });
readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => talk(Client, say, JSON.parse(line)))
  .on("close", () => process.exit());
