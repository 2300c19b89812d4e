// Large files by the upload manager of the AWS SDK for JavaScript v3, from a stream of a length that it is not told.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { startServer } from "./server.mjs";

const Bucket = "large";
const PIECE = 1_000_000;
const PIECES = 200;
let server, s3;
before(async () => {
  server = await startServer();
  s3 = new S3Client({ ...server.v3, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket }));
});
after(async () => {
  s3.destroy();
  await server.stop();
});

// No two pieces are the same.
const piece = (number) => createHash("shake256", { outputLength: PIECE }).update(`${number}`).digest();

test("200 MB from a stream", async () => {
  const sent = createHash("sha256");
  const body = Readable.from((function* () {
    for (let number = 0; number < PIECES; number++) {
      const bytes = piece(number);
      sent.update(bytes);
      yield bytes;
    }
  })());
  const progress = [];
  const upload = new Upload({ client: s3, params: { Bucket, Key: "k", Body: body }, queueSize: 4 });
  upload.on("httpUploadProgress", ({ loaded }) => progress.push(loaded));
  await upload.done();
  assert.equal(progress.at(-1), PIECE * PIECES);
  const { ContentLength, ETag } = await s3.send(new HeadObjectCommand({ Bucket, Key: "k" }));
  // 5 MiB to a part.
  assert.deepEqual([ContentLength, ETag.split("-")[1]], [PIECE * PIECES, '39"']);
  const got = createHash("sha256");
  for await (const bytes of (await s3.send(new GetObjectCommand({ Bucket, Key: "k" }))).Body) got.update(bytes);
  assert.equal(got.digest("hex"), sent.digest("hex"));
});
