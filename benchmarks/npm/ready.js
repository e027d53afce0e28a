// What the scripts do for who started them: tell that they are ready and what runs, and end with
// their standard input.
const http = require("http");

const masking = () => {
  // ws uses node's own functions where it has them.
  if (http.websocketMask) return "node's own masking";
  try {
    if (require("bufferutil") !== require("bufferutil/fallback"))
      return `bufferutil ${require("bufferutil/package.json").version}`;
  } catch (error) {
    if (error.code !== "MODULE_NOT_FOUND") throw error;
  }
  return "masks in JavaScript: bufferutil could not be installed";
};

module.exports = (port) => {
  const version = `ws ${require("ws/package.json").version}`;
  const build = `node ${process.versions.node}, ${masking()}`;
  console.log(JSON.stringify({ port, pid: process.pid, version, build }));
  process.stdin.on("end", () => process.exit()).resume();
};
