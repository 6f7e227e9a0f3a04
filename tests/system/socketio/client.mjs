// A person's JavaScript client, driven line by line: commands as JSON on standard input, what happens on standard output.

import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, sessionId, ...transports] = process.argv.slice(2);
const tell = (what, data) => process.stdout.write(JSON.stringify([what, data ?? null]) + "\n");

let cursor = "start";
let token;
const socket = io(url, {
  transports,
  reconnectionDelay: 100,
  reconnectionDelayMax: 500,
  autoConnect: false,
  // Asked for on every connection, so that each goes on where the last one stopped.
  auth: (use) => use({ session_id: sessionId, after: cursor, token }),
});

socket.on("connect", () => tell("connect", { transport: socket.io.engine.transport.name }));
socket.on("disconnect", (reason) => tell("disconnect", reason));
socket.on("connect_error", (error) => tell("connect_error", { message: error.message, data: error.data, active: socket.active }));
socket.onAny((name, frame) => {
  if (frame.cursor && frame.seq) cursor = frame.cursor;
  tell("event", { name, frame });
});

for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = JSON.parse(line);
  if (command === "connect") {
    token = argument?.token;
    socket.connect();
  } else {
    socket.timeout(20000).emit(command, argument, (error, answer) => tell("acknowledged", error ? String(error) : answer));
  }
}
socket.disconnect();
