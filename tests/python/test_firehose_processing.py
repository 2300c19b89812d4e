"""Firehose's processors with real functions: transformation, partitions, backups, error outputs, what a crash leaves."""

import base64
import json

import pytest
from botocore.exceptions import ClientError

from support import allow, deny, document, eventually, refused, trust, unique
from test_firehose import Streams
from test_lambda import create as create_function, make_role

# The status model: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html
TRANSFORM = """
import base64, json
def handler(event, context):
    out = []
    for record in event["records"]:
        data = json.loads(base64.b64decode(record["data"]))
        answer = {"recordId": record["recordId"], "result": data.get("result", "Ok"), "data": record["data"]}
        if answer["result"] == "Ok":
            data["seen"] = event["deliveryStreamArn"].split("/")[1]
            answer["data"] = base64.b64encode(json.dumps(data).encode()).decode()
            answer["metadata"] = {"partitionKeys": {"customer": str(data.get("customer", ""))}}
        if data.get("lost"):
            continue
        out.append(answer)
    return {"records": out}
"""
BROKEN = "def handler(event, context):\n    raise ValueError('never')\n"


class Processing(Streams):
    """Streams whose role may invoke functions and write logs."""

    def __init__(self, server):
        super().__init__(server)
        self.functions, self.logs = server.client("lambda"), server.client("logs")
        self.iam.put_role_policy(RoleName=self.role_name, PolicyName="process", PolicyDocument=document(
            allow("lambda:InvokeFunction"), allow("logs:PutLogEvents")))

    def function(self, source=TRANSFORM):
        name = unique("transform")
        role = make_role(self.iam, name)
        arn = create_function(self.functions, name, role, source)["FunctionArn"]
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name)
        return arn

    def found(self, count=1):
        """Bodies by directory, once there are so many objects."""
        return {key.rsplit("/", 1)[0]: body.decode() for key, body in self.delivered(count).items()}


def processors(*each):
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": [
        {"Type": kind, "Parameters": [{"ParameterName": k, "ParameterValue": v} for k, v in parameters.items()]}
        for kind, parameters in each]}}


def lambda_processor(arn, **more):
    return "Lambda", {"LambdaArn": arn, **more}


DELIMITER = ("AppendDelimiterToRecord", {"Delimiter": "\\n"})
ERRORS = {"ErrorOutputPrefix": "failed/!{firehose:error-output-type}/"}


@pytest.fixture
def streams(own):
    return Processing(own)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_function_transforms_records(streams):
    arn = streams.function()
    name = streams.create(Prefix="good/!{timestamp:yyyy}/", **ERRORS, **processors(lambda_processor(arn), DELIMITER))
    for record in ({"n": 1}, {"n": 2, "result": "Dropped"}, {"n": 3, "result": "ProcessingFailed"}, {"n": 4, "lost": 1}, {"n": 5}):
        streams.put(name, json.dumps(record).encode())
    streams.server.advance(61)
    found = streams.found(2)
    good, = (body for key, body in found.items() if key.startswith("good/"))
    assert lines(good) == [{"n": 1, "seen": name}, {"n": 5, "seen": name}]
    failed = lines(found["failed/processing-failed"])
    assert [(f["errorCode"], json.loads(base64.b64decode(f["rawData"]))["n"], f["lambdaArn"]) for f in failed] == [
        ("Lambda.ProcessingFailedStatus", 3, arn), ("Lambda.MissingRecordId", 4, arn)]


def test_a_function_that_fails(streams):
    arn = streams.function(BROKEN)
    streams.logs.create_log_group(logGroupName="/firehose")
    streams.logs.create_log_stream(logGroupName="/firehose", logStreamName="errors")
    name = streams.create(CloudWatchLoggingOptions={"Enabled": True, "LogGroupName": "/firehose", "LogStreamName": "errors"},
                          **processors(lambda_processor(arn, NumberOfRetries="1"), DELIMITER))
    streams.put(name, b"raw")
    streams.server.advance(61)
    (key, body), = streams.delivered().items()
    # The default prefix of what could not be processed, in the developer guide's "custom prefixes".
    assert key.startswith("processing-failed/20")
    failed, = lines(body.decode())
    assert (failed["errorCode"], failed["attemptsMade"]) == ("Lambda.FunctionError", 2)
    assert base64.b64decode(failed["rawData"]) == b"raw"
    events = eventually(lambda: streams.logs.get_log_events(logGroupName="/firehose", logStreamName="errors")["events"], "a log event")
    assert json.loads(events[0]["message"])["errorCode"] == "Lambda.FunctionError"


def test_a_role_that_may_not_invoke(streams):
    arn = streams.function()
    streams.iam.put_role_policy(RoleName=streams.role_name, PolicyName="no", PolicyDocument=document(deny("lambda:*")))
    name = streams.create(**ERRORS, **processors(lambda_processor(arn, NumberOfRetries="0")))
    streams.put(name, b"{}")
    streams.server.advance(61)
    assert lines(streams.found()["failed/processing-failed"])[0]["errorCode"] == "Lambda.InvokeAccessDenied"


PARTITIONED = {"DynamicPartitioningConfiguration": {"Enabled": True, "RetryOptions": {"DurationInSeconds": 10}},
               "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 64}}
QUERY = ("MetadataExtraction", {
    "JsonParsingEngine": "JQ-1.6",
    # The example of the developer guide's "partitioning keys".
    "MetadataExtractionQuery": '{customer_id: .customer_id, device: .type.device, year: .event_timestamp|strftime("%Y")}'})
BY_QUERY = "c=!{partitionKeyFromQuery:customer_id}/!{partitionKeyFromQuery:device}/!{partitionKeyFromQuery:year}/"


def test_partitions_by_a_query_of_records_that_came_as_one(streams):
    name = streams.create(Prefix=BY_QUERY + "!{timestamp:yyyy}/", **ERRORS, **PARTITIONED, **processors(
        ("RecordDeAggregation", {"SubRecordType": "JSON"}), QUERY, DELIMITER))
    event = lambda who, device, n: json.dumps({"customer_id": who, "type": {"device": device}, "event_timestamp": 1565382027, "n": n})
    streams.put(name, (event(1, "mobile", 0) + event(2, "mobile", 1)).encode())
    streams.put(name, (event(1, "mobile", 2) + "\n" + event(1, "tv", 3)).encode())
    streams.put(name, b'{"customer_id": 1}')
    streams.server.advance(61)
    found = {key.rsplit("/", 1)[0]: [line["n"] for line in lines(body)] for key, body in streams.found(4).items() if key[0] == "c"}
    assert found == {"c=1/mobile/2019": [0, 2], "c=2/mobile/2019": [1], "c=1/tv/2019": [3]}
    failed, = lines(streams.found(4)["failed/processing-failed"])
    assert failed["errorCode"] == "DynamicPartitioning.MetadataExtractionFailed"
    described = streams.describe(name)["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert described["DynamicPartitioningConfiguration"] == PARTITIONED["DynamicPartitioningConfiguration"]
    assert [p["Type"] for p in described["ProcessingConfiguration"]["Processors"]] == ["RecordDeAggregation", "MetadataExtraction", "AppendDelimiterToRecord"]


def test_partitions_by_a_function(streams):
    arn = streams.function()
    name = streams.create(Prefix="c=!{partitionKeyFromLambda:customer}/", **ERRORS, **PARTITIONED,
                          **processors(lambda_processor(arn), DELIMITER))
    for n in range(6):
        streams.put(name, json.dumps({"customer": n % 2, "n": n}).encode())
    streams.server.advance(61)
    found = {key.split("/")[0]: [line["n"] for line in lines(body)] for key, body in streams.found(2).items()}
    assert found == {"c=0": [0, 2, 4], "c=1": [1, 3, 5]}


def test_a_backup_of_what_came(streams):
    arn = streams.function()
    backup = streams.destination(Prefix="raw/")
    name = streams.create(Prefix="out/", S3BackupMode="Enabled", S3BackupConfiguration=backup, **processors(lambda_processor(arn), DELIMITER))
    streams.put(name, b'{"n": 1}')
    streams.server.advance(61)
    found = {key.split("/")[0]: body for key, body in streams.found(2).items()}
    assert found == {"out": json.dumps({"n": 1, "seen": name}) + "\n", "raw": '{"n": 1}'}
    described = streams.describe(name)["Destinations"][0]["ExtendedS3DestinationDescription"]
    assert described["S3BackupMode"] == "Enabled" and described["S3BackupDescription"]["Prefix"] == "raw/"
    with pytest.raises(ClientError, match="cannot be disabled"):
        streams.firehose.update_destination(DeliveryStreamName=name, CurrentDeliveryStreamVersionId="1", DestinationId="destinationId-000000000001",
                                            ExtendedS3DestinationUpdate={"S3BackupMode": "Disabled"})


def test_records_are_sealed_on_disk(streams):
    name = streams.create(**processors(DELIMITER))
    streams.firehose.start_delivery_stream_encryption(DeliveryStreamName=name)
    assert streams.describe(name)["DeliveryStreamEncryptionConfiguration"] == {"KeyType": "AWS_OWNED_CMK", "Status": "ENABLED"}
    put = streams.firehose.put_record(DeliveryStreamName=name, Record={"Data": b"secret"})
    assert put["Encrypted"] is True
    streams.firehose.stop_delivery_stream_encryption(DeliveryStreamName=name)
    assert streams.describe(name)["DeliveryStreamEncryptionConfiguration"] == {"Status": "DISABLED"}
    with pytest.raises(ClientError, match="CUSTOMER_MANAGED_CMK"):
        streams.firehose.start_delivery_stream_encryption(DeliveryStreamName=name, DeliveryStreamEncryptionConfigurationInput={
            "KeyType": "CUSTOMER_MANAGED_CMK", "KeyARN": "arn:aws:kms:eu-central-1:000000000000:key/k"})
    streams.server.restart_after_kill()
    streams.server.advance(61)
    assert list(streams.delivered().values()) == [b"secret\n"]


def subscribed(streams, name):
    """A log group whose events go to a stream: its name, and that of its log stream."""
    role = streams.iam.create_role(RoleName="subscription", AssumeRolePolicyDocument=trust(Service="logs.amazonaws.com"))["Role"]["Arn"]
    streams.iam.put_role_policy(RoleName="subscription", PolicyName="p", PolicyDocument=document(allow("firehose:PutRecord")))
    streams.logs.create_log_group(logGroupName="/app")
    streams.logs.create_log_stream(logGroupName="/app", logStreamName="one")
    streams.logs.put_subscription_filter(logGroupName="/app", filterName="all", filterPattern="", roleArn=role,
                                         destinationArn=streams.describe(name)["DeliveryStreamARN"])
    return {"logGroupName": "/app", "logStreamName": "one"}


@pytest.mark.parametrize("extracted", [True, False])
def test_what_log_subscriptions_put_is_decompressed(streams, extracted):
    """Messages alone, or all that is around them. InvalidSourceException is what everyone else gets."""
    kinds = [("Decompression", {"CompressionFormat": "GZIP"}), ("CloudWatchLogProcessing", {"DataMessageExtraction": "true"})]
    name = streams.create(Prefix="logs/", **processors(*kinds[:1 + extracted]))
    group = subscribed(streams, name)
    with refused("InvalidSourceException", 400, "Only requests from CloudWatch Logs are supported"):
        streams.put(name, b"mine")
    now = int(streams.server.now().timestamp() * 1000)
    streams.logs.put_log_events(**group, logEvents=[{"timestamp": now, "message": f"line {n}"} for n in range(3)])

    def text():
        streams.server.advance(61)
        found = "".join(streams.s3.get_object(Bucket=streams.bucket, Key=key)["Body"].read().decode() for key in streams.keys())
        return "line 2" in found and found

    found = eventually(text, "the events")
    assert all(key.startswith("logs/20") for key in streams.keys())
    if extracted:
        assert found == "line 0\nline 1\nline 2\n"
    else:
        decoder, records = json.JSONDecoder(), []
        while found:
            record, end = decoder.raw_decode(found)
            records.append(record)
            found = found[end:]
        assert [record["messageType"] for record in records] == ["CONTROL_MESSAGE", "DATA_MESSAGE"]
        assert [event["message"] for event in records[1]["logEvents"]] == ["line 0", "line 1", "line 2"]


# It tells that it was reached, then takes its time: the server is killed meanwhile.
SLOW = """
import base64, boto3, os, time
def handler(event, context):
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key="reached", Body=b"")
    if os.environ["SLOW"] == "1":
        time.sleep(20)
    return {"records": [{"recordId": r["recordId"], "result": "Ok", "data": r["data"]} for r in event["records"]]}
"""


def test_a_crash_while_a_function_transforms_loses_nothing(streams):
    arn = streams.function(SLOW)
    name = arn.split(":")[-1]
    streams.iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=document(allow("s3:PutObject")))
    set_slow = lambda slow: streams.functions.update_function_configuration(
        FunctionName=name, Timeout=60, Environment={"Variables": {"BUCKET": streams.bucket, "SLOW": slow}})
    set_slow("1")
    stream = streams.create(Prefix="out/", **processors(lambda_processor(arn), DELIMITER))
    for n in range(20):
        streams.put(stream, str(n).encode())
    streams.server.advance(61)
    eventually(lambda: streams.keys() == ["reached"], "the function at work")
    streams.server.restart_after_kill()
    set_slow("0")
    eventually(lambda: any(key.startswith("out/") for key in streams.keys()), "the delivery", seconds=60)
    bodies = [body.decode() for key, body in streams.delivered(2).items() if key.startswith("out/")]
    assert bodies == ["".join(f"{n}\n" for n in range(20))]


TEMPLATE = """
Resources:
  Archive:
    Type: AWS::S3::Bucket
  FunctionRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}
  Transform:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.11
      Handler: index.handler
      Role: !GetAtt FunctionRole.Arn
      Code:
        ZipFile: |
          def handler(event, context):
              return {"records": [{"recordId": r["recordId"], "result": "Ok", "data": r["data"]} for r in event["records"]]}
  Delivery:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: firehose.amazonaws.com}, Action: "sts:AssumeRole"}]}
      Policies:
        - PolicyName: deliver
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: "s3:*", Resource: [!GetAtt Archive.Arn, !Sub "${Archive.Arn}/*"]}
              - {Effect: Allow, Action: "lambda:InvokeFunction", Resource: !GetAtt Transform.Arn}
  Stream:
    Type: AWS::KinesisFirehose::DeliveryStream
    Properties:
      DeliveryStreamType: DirectPut
      DeliveryStreamEncryptionConfigurationInput: {KeyType: AWS_OWNED_CMK}
      ExtendedS3DestinationConfiguration:
        BucketARN: !GetAtt Archive.Arn
        RoleARN: !GetAtt Delivery.Arn
        Prefix: "customer=!{partitionKeyFromQuery:customer}/"
        ErrorOutputPrefix: "failed/!{firehose:error-output-type}/"
        BufferingHints: {IntervalInSeconds: 60, SizeInMBs: 64}
        CloudWatchLoggingOptions: {Enabled: false}
        DynamicPartitioningConfiguration: {Enabled: true, RetryOptions: {DurationInSeconds: 60}}
        S3BackupMode: Enabled
        S3BackupConfiguration: {BucketARN: !GetAtt Archive.Arn, RoleARN: !GetAtt Delivery.Arn, Prefix: BACKUP, BufferingHints: {IntervalInSeconds: 60, SizeInMBs: 5}}
        ProcessingConfiguration:
          Enabled: true
          Processors:
            - Type: Lambda
              Parameters:
                - {ParameterName: LambdaArn, ParameterValue: !GetAtt Transform.Arn}
            - Type: MetadataExtraction
              Parameters:
                - {ParameterName: JsonParsingEngine, ParameterValue: JQ-1.6}
                - {ParameterName: MetadataExtractionQuery, ParameterValue: "{customer: .customer}"}
Outputs:
  Bucket: {Value: !Ref Archive}
  Stream: {Value: !Ref Stream}
"""


def test_a_template_with_processors_and_partitions(own):
    cloudformation, firehose, s3 = (own.client(s) for s in ("cloudformation", "firehose", "s3"))

    def deploy(change, body):
        change(StackName="p", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        stack = eventually(lambda: not (found := cloudformation.describe_stacks(StackName="p")["Stacks"][0])["StackStatus"].endswith("PROGRESS")
                           and found, "the stack", seconds=120)
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), cloudformation.describe_stack_events(StackName="p")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    outputs = deploy(cloudformation.create_stack, TEMPLATE.replace("BACKUP", "raw/"))
    sealed = lambda: firehose.describe_delivery_stream(DeliveryStreamName=outputs["Stream"])["DeliveryStreamDescription"]["DeliveryStreamEncryptionConfiguration"]["Status"]
    assert sealed() == "ENABLED"
    changed = TEMPLATE.replace("BACKUP", "source/").replace("      DeliveryStreamEncryptionConfigurationInput: {KeyType: AWS_OWNED_CMK}\n", "")
    outputs = deploy(cloudformation.update_stack, changed)
    assert sealed() == "DISABLED"
    for n in range(4):
        firehose.put_record(DeliveryStreamName=outputs["Stream"], Record={"Data": json.dumps({"customer": n % 2}).encode()})
    own.advance(61)

    def objects():
        found = s3.list_objects_v2(Bucket=outputs["Bucket"]).get("Contents", [])
        return len(found) >= 3 and {
            o["Key"].split("/")[0]: s3.get_object(Bucket=outputs["Bucket"], Key=o["Key"])["Body"].read().decode() for o in found}

    assert eventually(objects, "the objects", seconds=60) == {
        "customer=0": '{"customer": 0}' * 2, "customer=1": '{"customer": 1}' * 2,
        "source": "".join(json.dumps({"customer": n % 2}) for n in range(4))}
