exports.handler = async (event) => {
  for (const record of event.Records ?? []) {
    console.log(`Node greets ${record.body}`);
  }
  return { batchItemFailures: [] };
};
