// Keeps a conversation in Hearth: the client is ioredis, and only the address is Hearth's.
import Redis from "ioredis";

const hearth = new Redis({ path: process.argv[2] ?? "run/hearth.sock" });

await hearth.set("session:ada", JSON.stringify({ turns: ["Hello"] }), "EX", 1800);
const session = JSON.parse(await hearth.get("session:ada"));
session.turns.push("How are you?");
await hearth.set("session:ada", JSON.stringify(session), "KEEPTTL");
console.log(await hearth.get("session:ada"), "ttl", await hearth.ttl("session:ada"));
hearth.disconnect();
