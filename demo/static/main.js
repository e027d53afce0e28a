// The page has two WebSockets. `watched` carries only what the visitor sends or asks for, and a
// Ping that the page asks for as it opens. `control` carries the orders to the server, and the
// reports of the server about `watched`.

import { follow } from "./follow.js";
import { frameRow } from "./rows.js";

const MAX_ROWS = 500;
const $ = (id) => document.getElementById(id);

const rowsChanged = follow($("scroll"), $("rows").closest("table"));
const eventsChanged = follow($("events"), $("events"));

let control;
let watched;
let watchedPath;

const address = (path) => new URL(path, location.href.replace(/^http/, "ws"));

function connect() {
  say("");
  if (control?.readyState === WebSocket.OPEN) {
    watch();
    return;
  }
  state("connecting");
  control = new WebSocket(address("control"));
  control.onmessage = ({ data }) => {
    const { kind, ...report } = JSON.parse(data);
    reports[kind](report);
  };
  control.onclose = () => {
    watched?.close();
    state("closed", "not connected");
    say("The server is out of reach. Start it, then connect again.");
  };
}

const reports = {
  hello({ path, compiled }) {
    watchedPath = path;
    $("core").textContent = compiled ? "compiled core" : "interpreted core";
    watch();
  },
  frame(frame) {
    append($("rows"), frameRow(frame));
    rowsChanged();
  },
  notice({ text }) {
    say(text);
  },
};

function watch() {
  state("connecting");
  const socket = new WebSocket(address(watchedPath));
  watched = socket;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    state("open");
    tell("open", "");
    // It gives the visitor something to see at once. A browser tells its page nothing of a Ping.
    order({ action: "ping", payload: "hello" });
  };
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") tell("message", `text, ${data.length} characters: ${quote(data)}`);
    else tell("message", `binary, ${data.byteLength} bytes`);
  };
  socket.onerror = () => tell("error", "(a browser gives no reason)");
  socket.onclose = ({ code, reason, wasClean }) => {
    if (socket === watched) state("closed");
    tell("close", `code ${code}, reason ${quote(reason)}, ${wasClean ? "clean" : "not clean"}`);
  };
}

function send(data) {
  if (watched?.readyState !== WebSocket.OPEN) throw new Error("The socket is closed: connect first.");
  watched.send(data);
}

function order(action) {
  if (control?.readyState !== WebSocket.OPEN) throw new Error("The server is out of reach.");
  control.send(JSON.stringify(action));
}

const actions = {
  text: ({ text }) => send(text),
  size({ size }, kind) {
    const bytes = Uint8Array.from({ length: Number(size) }, (_, i) => i);
    send(kind === "binary" ? bytes : "abcdefghij".repeat(size / 10 + 1).slice(0, size));
  },
  ping: ({ payload }) => order({ action: "ping", payload }),
  fragments: ({ text, count }) => order({ action: "fragments", text, count: Number(count) }),
  close({ code, reason }, who) {
    const number = code === "" ? null : Number(code);
    if (who === "server") order({ action: "close", code: number, reason });
    else watched?.close(number ?? undefined, reason);
  },
};

for (const [id, act] of Object.entries(actions)) {
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    say("");
    try {
      act(Object.fromEntries(new FormData(event.target)), event.submitter?.value);
    } catch (error) {
      say(error.message);
    }
  });
}
$("connect").addEventListener("click", connect);
$("clear").addEventListener("click", () => {
  $("rows").replaceChildren();
  $("events").replaceChildren();
});

function say(text) {
  $("notice").textContent = text;
}

function state(name, text = name) {
  $("status").dataset.state = name;
  $("status").textContent = text;
  $("connect").hidden = name !== "closed";
}

function tell(event, text) {
  const item = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = event;
  item.append(name, ` ${text}`);
  append($("events"), item);
  eventsChanged();
}

function append(list, item) {
  list.append(item);
  if (list.childElementCount > MAX_ROWS) list.firstElementChild.remove();
}

const quote = (text) => `“${text.length > 60 ? `${text.slice(0, 60)}…` : text}”`;

connect();
