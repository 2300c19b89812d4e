// A server for the tests of one file, and what its clients need.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ACCOUNT = "000000000000";
export const REGION = "us-east-1";

/** What runtimes bring is fetched once, into the build directory that the tests are copied to. */
const RUNTIMES = fileURLToPath(new URL("../../runtimes", import.meta.url));

/** The environment without what AWS's tools take from it. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));
}

/** Starts `ropeway start --dev` on an empty directory; resolves once it is ready. */
export async function startServer() {
  const binary = process.env.ROPEWAY_BIN;
  if (!binary) throw new Error("ROPEWAY_BIN must name the server's binary");
  const directory = mkdtempSync(join(tmpdir(), "ropeway-node-"));
  const child = spawn(binary, ["start", "--data-dir", join(directory, "data"), "--listen", "127.0.0.1:0", "--dev"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...environment(), RUST_LOG: "error", ROPEWAY_RUNTIMES_DIR: RUNTIMES },
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let endpoint;
  for await (const line of createInterface({ input: child.stdout })) {
    endpoint = /Ropeway is ready at (\S+) /.exec(line)?.[1];
    if (endpoint) break;
  }
  if (!endpoint) throw new Error("the server ended before it was ready");
  child.stdout.resume();
  return {
    endpoint,
    /** The settings of a v3 client. */
    v3: { endpoint, region: REGION, credentials: { accessKeyId: "test", secretAccessKey: "test" }, maxAttempts: 1 },
    /** The settings of a v2 client. */
    v2: { endpoint, region: REGION, accessKeyId: "test", secretAccessKey: "test", maxRetries: 0 },
    async stop() {
      child.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What `look` gives, as soon as it is true. */
export async function eventually(look, what, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
