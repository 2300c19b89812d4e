const { S3Client, GetObjectCommand, PutObjectCommand } = require("@aws-sdk/client-s3");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const COMMANDS = { getObject: GetObjectCommand, putObject: PutObjectCommand };
// A sum of the body cannot be signed before there is one.
const client = new S3Client({ forcePathStyle: true, requestChecksumCalculation: "WHEN_REQUIRED" });

const refuse = (error) => ({
  statusCode: 400,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ error }),
});

exports.handler = async (event) => {
  let asked;
  try {
    asked = JSON.parse(event.isBase64Encoded ? Buffer.from(event.body, "base64").toString() : event.body);
  } catch {
    return refuse("the body is not a JSON object");
  }
  if (typeof asked !== "object" || asked === null) return refuse("the body is not a JSON object");
  const { object_key: key, action } = asked;
  if (typeof key !== "string" || key === "") return refuse("object_key is missing");
  if (!Object.hasOwn(COMMANDS, action)) return refuse("action must be putObject or getObject");
  const command = new COMMANDS[action]({ Bucket: process.env.BUCKET, Key: key });
  const body = await getSignedUrl(client, command, { expiresIn: 100 });
  return { statusCode: 200, headers: { "Content-Type": "text/plain" }, body };
};
