// Appends events with Emmett for a while, from one process, and prints how many a second.
// node emmett.mjs '{"connection": …, "callers": …, "size": …, "seconds": …, "pool": …, "data": …}'
import { randomUUID } from "node:crypto";
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import pg from "pg";

const given = JSON.parse(process.argv[2]);
const pool = new pg.Pool({ ...given.connection, max: given.pool });
const store = getPostgreSQLEventStore(given.url, { connectionOptions: { pool } });
await store.schema.migrate();

const events = Array.from({ length: given.size }, () => ({ type: given.type, data: given.data }));

async function caller(until) {
  let done = 0;
  while (performance.now() < until) {
    await store.appendToStream(`agreement:${randomUUID()}`, events);
    done += given.size;
  }
  return done;
}

async function measure(seconds) {
  const started = performance.now();
  const until = started + seconds * 1000;
  const done = await Promise.all(Array.from({ length: given.callers }, () => caller(until)));
  return (done.reduce((sum, one) => sum + one, 0) / (performance.now() - started)) * 1000;
}

await measure(Math.min(given.seconds, 1) / 2);
console.log(await measure(given.seconds));
await pool.end();
process.exit(0);
