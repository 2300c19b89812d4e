// S3 through the AWS SDK for JavaScript v3, which sends checksums of its own and streams in signed chunks.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import {
  CompleteMultipartUploadCommand, CreateBucketCommand, CreateMultipartUploadCommand, DeleteObjectsCommand,
  GetObjectCommand, HeadObjectCommand, NoSuchKey, PutObjectCommand, S3Client, UploadPartCommand, paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { startServer } from "./server.mjs";

const Bucket = "files";
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

const put = (Key, Body, more) => s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const get = (Key, more) => s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
const md5 = (data) => createHash("md5").update(data).digest("hex");

test("put and get, with metadata and checksum", async () => {
  const body = Buffer.alloc(200_000, "grüße ");
  const { ETag, ChecksumCRC32 } = await put("a b/ü", body, { ContentType: "text/x", Metadata: { one: "1" } });
  assert.equal(ETag, `"${md5(body)}"`);
  const found = await get("a b/ü", { ChecksumMode: "ENABLED" });
  assert.equal(found.ContentType, "text/x");
  assert.deepEqual(found.Metadata, { one: "1" });
  assert.equal(found.ChecksumCRC32, ChecksumCRC32);
  assert.ok(Buffer.from(await found.Body.transformToByteArray()).equals(body));
});

test("a stream of known length", async () => {
  const body = Buffer.alloc(300_000, "stream");
  await put("stream", Readable.from([body.subarray(0, 100_000), body.subarray(100_000)]), { ContentLength: body.length });
  assert.equal((await s3.send(new HeadObjectCommand({ Bucket, Key: "stream" }))).ETag, `"${md5(body)}"`);
});

test("ranges and conditions", async () => {
  const { ETag } = await put("ranges", "0123456789");
  const part = await get("ranges", { Range: "bytes=2-4" });
  assert.equal(part.ContentRange, "bytes 2-4/10");
  assert.equal(await part.Body.transformToString(), "234");
  await assert.rejects(get("ranges", { Range: "bytes=10-" }), { name: "InvalidRange" });
  await assert.rejects(get("ranges", { IfNoneMatch: ETag }), (error) => error.$metadata.httpStatusCode === 304);
  await assert.rejects(put("ranges", "other", { IfNoneMatch: "*" }), { name: "PreconditionFailed" });
});

test("an upload in parts", async () => {
  const Key = "parts";
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const bodies = [Buffer.alloc(5 * 1024 * 1024, "a"), Buffer.from("tail")];
  const Parts = [];
  for (const [n, Body] of bodies.entries()) {
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: n + 1, Body }));
    Parts.push({ PartNumber: n + 1, ETag });
  }
  const done = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
  const sums = Buffer.concat(bodies.map((body) => createHash("md5").update(body).digest()));
  assert.equal(done.ETag, `"${md5(sums)}-2"`);
  assert.equal(await (await get(Key, { Range: "bytes=-6" })).Body.transformToString(), "aatail");
});

test("pre-signed URLs", async () => {
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "by url" }), { expiresIn: 100 });
  assert.equal((await fetch(url, { method: "PUT", body: "by url" })).status, 200);
  const good = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "by url" }), { expiresIn: 100 });
  assert.equal(await (await fetch(good)).text(), "by url");
  const altered = await fetch(good.replace("by%20url", "ranges"));
  assert.equal(altered.status, 403);
  assert.match(await altered.text(), /<Code>SignatureDoesNotMatch<\/Code>/);
  const signingDate = new Date(Date.now() - 3_600_000);
  const late = await fetch(await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "by url" }), { expiresIn: 100, signingDate }));
  assert.equal(late.status, 403);
  assert.match(await late.text(), /<Code>AccessDenied<\/Code><Message>Request has expired<\/Message>/);
});

test("listings in pages, and deleting many", async () => {
  for (const key of ["l/a", "l/b/1", "l/b/2", "l/c"]) await put(key, key);
  const found = [];
  const asked = { Bucket, Prefix: "l/", Delimiter: "/" };
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 1 }, asked)) {
    found.push(...(page.Contents ?? []).map((c) => c.Key), ...(page.CommonPrefixes ?? []).map((p) => p.Prefix));
  }
  assert.deepEqual(found, ["l/a", "l/b/", "l/c"]);
  const Delete = { Objects: [{ Key: "l/a" }, { Key: "l/none" }] };
  const { Deleted } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete }));
  assert.deepEqual(Deleted.map((d) => d.Key).sort(), ["l/a", "l/none"]);
  await assert.rejects(get("l/a"), NoSuchKey);
});
