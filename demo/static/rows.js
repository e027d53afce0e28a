// Makes a row of the table from a frame, as the server reports it.

export function frameRow(frame) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  row.className = frame.direction;
  row.append(
    cell("number", frame.number),
    cell("direction", frame.direction),
    cell("opcode", `${frame.name} ${frame.opcode}`, frame.opcode >= 8 ? "control" : "data"),
    cell("fin", [bit(frame.fin)]),
    cell("rsv", frame.rsv.map(bit)),
    cell("mask", frame.mask === null ? "none" : spaced(frame.mask), frame.mask ?? "absent"),
    cell("length", frame.length.toLocaleString("en").replaceAll(",", "\u202f")),
    cell("payload", payloadText(frame)),
  );
  return row;
}

function cell(name, content, kind = "") {
  const td = document.createElement("td");
  td.setAttribute("role", "cell");
  td.className = `${name} ${kind}`;
  td.append(...[content].flat());
  return td;
}

function bit(set) {
  const span = document.createElement("span");
  span.className = set ? "bit set" : "bit";
  span.textContent = set ? "1" : "0";
  return span;
}

const spaced = (hex) => hex.replace(/..(?!$)/g, "$& ");

function payloadText(frame) {
  const bytes = Uint8Array.from(frame.payload.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  if (frame.name === "CLOSE" && bytes.length >= 2) {
    // RFC 6455 section 5.5.1: two bytes of code, then the reason.
    return `${bytes[0] * 256 + bytes[1]} ${readable(bytes.subarray(2))}`.trim();
  }
  return readable(bytes) + (frame.length > bytes.length ? "…" : "");
}

// Returns text if the bytes are UTF-8 without control characters, else hexadecimal digits.
function readable(bytes) {
  try {
    // `stream` allows a character that is cut by the end of the preview, or of a fragment.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    if (!/\p{Cc}/u.test(text)) return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  return Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
