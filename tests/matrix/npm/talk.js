// One connection of a client with the interface of browsers. `seen` is as peers/attending.py has it.
const talk = (Client, say, { cell, url, mode, bound }) => {
  const seen = { cell, opened: false, messages: [], count: 0 };
  let failed = "";
  const over = (end) => {
    clearTimeout(timer);
    if (!seen.end) say(Object.assign(seen, { end }));
  };
  const timer = setTimeout(() => {
    over("still open");
    socket?.close();
  }, bound * 1000);
  let socket;
  try {
    socket = new Client(url);
  } catch (error) {
    over(`${error}`);
    return;
  }
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    seen.opened = true;
    socket.send("hello");
    if (mode === "close") setTimeout(() => socket.close(1000), 500);
  };
  socket.onmessage = ({ data }) => {
    seen.count += 1;
    if (seen.messages.length < 5) seen.messages.push(shown(data));
    if (data !== "hello" && socket.readyState === Client.OPEN) socket.send(data);
  };
  socket.onerror = ({ message, error }) => {
    failed = `, ${message || error?.message || "error"}`;
  };
  socket.onclose = ({ code }) => over(`closed ${code}${failed}`);
};

const shown = (data) =>
  typeof data === "string" ? JSON.stringify(data).slice(0, 60) : `${data.byteLength} octets`;

if (typeof module === "object") module.exports = { talk };
