def handler(event, context):
    for record in event.get("Records", []):
        print(f"Python greets {record['body']}")
    return {"batchItemFailures": []}
