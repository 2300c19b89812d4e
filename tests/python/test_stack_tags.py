"""The tags that CloudFormation puts on what it makes.

Sources: the CloudFormation user guide, "CloudFormation resource tagging"; which types get those of the system's own:
`tagging.cloudFormationSystemTags` of the resource schemas that CloudFormation publishes (as cfn-lint 1.51 ships them:
true for topics, buckets, functions, event source mappings, log groups, APIs with their stages, keys, plans and domain names,
trails and stacks; false for queues, delivery streams, roles and users).
"""

import io
import json
import zipfile

import pytest

from support import REGION, allow, make_user, refused, trust
from test_cloudformation import create, delete, resources, settled, stack_of, update
from test_nested_stacks import Templates, nested
from test_templates import import_set

OWN = "aws:cloudformation:"


@pytest.fixture
def cfn(server):
    return server.client("cloudformation")


def typed(kind, **properties):
    return {"Type": f"AWS::{kind}", "Properties": properties}


def everything(name):
    """A resource of each type that has tags, but for domain names, which need certificates."""
    invoke = {"Code": {"ZipFile": "def handler(event, context): pass"}, "Handler": "index.handler", "Runtime": "python3.12"}
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:*",
         "Resource": [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}]}]}
    execution = {"Effect": "Allow", "Resource": "*",
                 "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]}
    return {"Resources": {
        "Topic": typed("SNS::Topic", Tags=[{"Key": "team", "Value": "its own"}]),
        "Bucket": typed("S3::Bucket", BucketName=name),
        "Policy": typed("S3::BucketPolicy", Bucket={"Ref": "Bucket"}, PolicyDocument=policy),
        "Queue": typed("SQS::Queue"),
        "Role": typed("IAM::Role", AssumeRolePolicyDocument=json.loads(trust(Service="lambda.amazonaws.com")),
                      Policies=[{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [execution]}}]),
        "Function": typed("Lambda::Function", Role={"Fn::GetAtt": ["Role", "Arn"]}, **invoke),
        "Mapping": typed("Lambda::EventSourceMapping", FunctionName={"Ref": "Function"},
                         EventSourceArn={"Fn::GetAtt": ["Queue", "Arn"]}, Enabled=False),
        "Group": typed("Logs::LogGroup"),
        "Trail": {**typed("CloudTrail::Trail", IsLogging=False, S3BucketName={"Ref": "Bucket"}), "DependsOn": "Policy"},
        "Rest": typed("ApiGateway::RestApi", Name=name),
        "Ping": typed("ApiGateway::Method", RestApiId={"Ref": "Rest"}, ResourceId={"Fn::GetAtt": ["Rest", "RootResourceId"]},
                      HttpMethod="GET", AuthorizationType="NONE", Integration={"Type": "MOCK"}),
        "Deployment": {**typed("ApiGateway::Deployment", RestApiId={"Ref": "Rest"}), "DependsOn": "Ping"},
        "Stage": typed("ApiGateway::Stage", RestApiId={"Ref": "Rest"}, DeploymentId={"Ref": "Deployment"}, StageName="v1"),
        "Key": typed("ApiGateway::ApiKey"),
        "Plan": typed("ApiGateway::UsagePlan"),
        "Http": typed("ApiGatewayV2::Api", Name=name, ProtocolType="HTTP"),
        "HttpStage": typed("ApiGatewayV2::Stage", ApiId={"Ref": "Http"}, StageName="$default", Tags={"team": "its own"}),
    }}


def plain(tags):
    return {tag["Key"]: tag["Value"] for tag in tags}


class Tagged:
    """The tags of a stack's resources, as their services tell them."""

    def __init__(self, server, cfn, stack):
        self.server, self.found = server, resources(cfn, stack)

    def id(self, logical):
        return self.found[logical]["PhysicalResourceId"]

    def arn(self, service, rest):
        account = "" if service == "apigateway" else "000000000000"
        return f"arn:aws:{service}:{REGION}:{account}:{rest}"

    def of(self, logical):
        client, id_ = self.server.client, self.id(logical)
        kind = self.found[logical]["ResourceType"].removeprefix("AWS::")
        match kind:
            case "SNS::Topic":
                return plain(client("sns").list_tags_for_resource(ResourceArn=id_)["Tags"])
            case "S3::Bucket":
                return plain(client("s3").get_bucket_tagging(Bucket=id_)["TagSet"])
            case "SQS::Queue":
                return client("sqs").list_queue_tags(QueueUrl=id_).get("Tags", {})
            case "IAM::Role":
                return plain(client("iam").list_role_tags(RoleName=id_)["Tags"])
            case "Lambda::Function":
                return client("lambda").list_tags(Resource=self.arn("lambda", f"function:{id_}"))["Tags"]
            case "Lambda::EventSourceMapping":
                return client("lambda").list_tags(Resource=self.arn("lambda", f"event-source-mapping:{id_}"))["Tags"]
            case "Logs::LogGroup":
                return client("logs").list_tags_for_resource(resourceArn=self.arn("logs", f"log-group:{id_}"))["tags"]
            case "CloudTrail::Trail":
                trails = client("cloudtrail").list_tags(ResourceIdList=[self.arn("cloudtrail", f"trail/{id_}")])
                return plain(trails["ResourceTagList"][0]["TagsList"])
        paths = {"Rest": "/restapis/{}", "Stage": f"/restapis/{self.id('Rest')}/stages/{{}}", "Key": "/apikeys/{}",
                 "Plan": "/usageplans/{}", "Http": "/apis/{}", "HttpStage": f"/apis/{self.id('Http')}/stages/{{}}"}
        arn = self.arn("apigateway", paths[logical].format(id_))
        if kind.startswith("ApiGatewayV2"):
            return client("apigatewayv2").get_tags(ResourceArn=arn)["Tags"]
        return client("apigateway").get_tags(resourceArn=arn)["tags"]


SYSTEM = ["Topic", "Bucket", "Function", "Mapping", "Group", "Trail", "Rest", "Stage", "Key", "Plan", "Http", "HttpStage"]
OTHERS = ["Queue", "Role"]


def own_of(stack, logical):
    return {f"{OWN}stack-name": stack["StackName"], f"{OWN}stack-id": stack["StackId"], f"{OWN}logical-id": logical}


def of_system(tags):
    """Those of CloudFormation's that AWS documents."""
    return {key: tags[key] for key in tags if key.startswith(OWN) and not key.endswith("ropeway-name")}


def test_every_type_gets_tags(cfn, server, name):
    template = everything(name)
    stack = create(cfn, name, template, Capabilities=["CAPABILITY_IAM"], Tags=[{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "1"}])
    tagged = Tagged(server, cfn, name)
    for logical in SYSTEM + OTHERS:
        tags = tagged.of(logical)
        expected = own_of(stack, logical) if logical in SYSTEM else {}
        assert of_system(tags) == expected, logical
        # A resource's own tag comes before the stack's.
        assert (tags["team"], tags["cost"]) == ("its own" if logical in ("Topic", "HttpStage") else "a", "1"), logical
    # What happened is told in the template's words.
    events = cfn.describe_stack_events(StackName=name)["StackEvents"]
    assert not [e for e in events if OWN in e.get("ResourceProperties", "")]

    # An update of the stack's tags leaves the system's alone.
    update(cfn, name, template, Capabilities=["CAPABILITY_IAM"], Tags=[{"Key": "team", "Value": "b"}])
    for logical in SYSTEM + OTHERS:
        tags = tagged.of(logical)
        assert of_system(tags) == (own_of(stack, logical) if logical in SYSTEM else {}), logical
        assert "cost" not in tags and tags["team"] in ("b", "its own"), logical
    server.client("s3").delete_bucket_policy(Bucket=name)
    delete(cfn, name)


def test_users_leave_them_alone(cfn, server, name):
    """The system's tags are neither set nor removed by users, and do not count."""
    template = {"Resources": {key: value for key, value in everything(name)["Resources"].items()
                              if key in ("Topic", "Group", "Rest", "Http")}}
    stack = create(cfn, name, template)
    tagged, key = Tagged(server, cfn, name), f"{OWN}stack-name"
    sns, logs = server.client("sns"), server.client("logs")
    topic, group = tagged.id("Topic"), tagged.arn("logs", f"log-group:{tagged.id('Group')}")
    rest = tagged.arn("apigateway", f"/restapis/{tagged.id('Rest')}")
    http = tagged.arn("apigateway", f"/apis/{tagged.id('Http')}")
    with refused("InvalidParameter"):
        sns.tag_resource(ResourceArn=topic, Tags=[{"Key": key, "Value": "x"}])
    with refused("InvalidParameter"):
        sns.untag_resource(ResourceArn=topic, TagKeys=[key])
    with refused("InvalidParameterException"):
        logs.tag_resource(resourceArn=group, tags={"aws:mine": "x"})
    with refused("InvalidParameterException"):
        logs.untag_resource(resourceArn=group, tagKeys=[key])
    with refused("InvalidParameterException"):
        logs.create_log_group(logGroupName=f"{name}-other", tags={key: "x"})
    with refused("BadRequestException"):
        server.client("apigateway").untag_resource(resourceArn=rest, tagKeys=[key])
    with refused("BadRequestException"):
        server.client("apigatewayv2").untag_resource(ResourceArn=http, TagKeys=[key])
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(49)])
    with refused("TagLimitExceeded"):
        sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "one more", "Value": ""}])
    logs.tag_resource(resourceArn=group, tags={f"k{n}": "" for n in range(50)})
    assert len(tagged.of("Topic")) == len(tagged.of("Group")) == 53
    assert of_system(tagged.of("Topic")) == own_of(stack, "Topic")
    delete(cfn, name)


def test_of_functions(cfn, server, name):
    template = {"Resources": {key: value for key, value in everything(name)["Resources"].items() if key in ("Role", "Function")}}
    create(cfn, name, template, Capabilities=["CAPABILITY_IAM"])
    functions, tagged = server.client("lambda"), Tagged(server, cfn, name)
    arn = tagged.arn("lambda", f"function:{tagged.id('Function')}")
    for change in (lambda: functions.tag_resource(Resource=arn, Tags={"AWS:x": "1"}),
                   lambda: functions.untag_resource(Resource=arn, TagKeys=[f"{OWN}stack-id"])):
        with refused("InvalidParameterValueException"):
            change()
    with refused("InvalidParameterValueException"):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("index.py", "")
        functions.create_function(FunctionName=f"{name}-x", Role=functions.get_function(FunctionName=arn)["Configuration"]["Role"],
                                  Runtime="python3.12", Handler="index.handler", Code={"ZipFile": archive.getvalue()},
                                  Tags={f"{OWN}stack-name": "x"})
    functions.tag_resource(Resource=arn, Tags={f"k{n}": "" for n in range(50)})
    with refused("InvalidParameterValueException"):
        functions.tag_resource(Resource=arn, Tags={"one more": ""})
    delete(cfn, name)


def test_of_buckets(cfn, server, name):
    """Who replaces a bucket's tags names the system's among them, unchanged. Source: reports of the messages,
    cloud-custodian issues 370 and 2834 (and its pull request 2861), terraform-provider-aws issue 7323."""
    create(cfn, name, {"Resources": {"Bucket": typed("S3::Bucket", BucketName=name)}})
    s3 = server.client("s3")
    system = s3.get_bucket_tagging(Bucket=name)["TagSet"]
    assert len(system) == 3

    def put(*tags):
        s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": list(tags)})

    with refused("InvalidTag", 400, "System tags cannot be removed by requester"):
        put({"Key": "a", "Value": "1"})
    with refused("InvalidTag", 400, "System tags cannot be removed by requester"):
        s3.delete_bucket_tagging(Bucket=name)
    with refused("InvalidTag", 400, "System tags cannot be added/updated by requester"):
        put(*system, {"Key": "aws:mine", "Value": "1"})
    with refused("InvalidTag", 400, "System tags cannot be added/updated by requester"):
        put(*system[:2], {**system[2], "Value": "other"})
    with refused("InvalidTag", 400, "System tags cannot be added/updated by requester"):
        s3.create_bucket(Bucket=f"{name}-x", CreateBucketConfiguration={"Tags": [{"Key": "aws:mine", "Value": "1"}]})
    put({"Key": "a", "Value": "1"}, *system)
    put(*[{"Key": f"k{n}", "Value": ""} for n in range(50)], *system)
    assert len(s3.get_bucket_tagging(Bucket=name)["TagSet"]) == 53
    # A stack changes its own tags, and leaves those that the bucket has from elsewhere.
    update(cfn, name, {"Resources": {"Bucket": typed("S3::Bucket", BucketName=name, Tags=[{"Key": "k1", "Value": "x"}])}})
    tags = plain(s3.get_bucket_tagging(Bucket=name)["TagSet"])
    assert len(tags) == 53 and tags["k1"] == "x" and tags[f"{OWN}stack-name"] == name
    delete(cfn, name)


def test_no_template_sets_them(cfn, server, name):
    template = {"Resources": {"Topic": typed("SNS::Topic", Tags=[{"Key": "AWS:x", "Value": "1"}])}}
    create(cfn, name, template, "ROLLBACK_COMPLETE")
    reason, = [e["ResourceStatusReason"] for e in cfn.describe_stack_events(StackName=name)["StackEvents"]
               if e["ResourceStatus"] == "CREATE_FAILED"]
    assert "AWS:x begins with aws:" in reason
    delete(cfn, name)
    template = {"Resources": {"Http": typed("ApiGatewayV2::Api", Name=name, ProtocolType="HTTP", Tags={"aws:x": "1"})}}
    create(cfn, name, template, "ROLLBACK_COMPLETE")
    delete(cfn, name)


def test_tagging_needs_no_permission(cfn, server, name):
    """A bucket's maker may lack `s3:PutBucketTagging` and `s3:TagResource`, as long as nobody asks for tags."""
    actions = ["cloudformation:*", "s3:CreateBucket", "s3:DeleteBucket", "s3:ListBucket", "s3:GetBucket*"]
    key = make_user(server.client("iam"), name, *[allow(action) for action in actions])
    mine = server.client("cloudformation", key=key)
    template = {"Resources": {"Bucket": typed("S3::Bucket", BucketName=name)}}
    create(mine, name, template)
    assert f"{OWN}stack-id" in plain(server.client("s3").get_bucket_tagging(Bucket=name)["TagSet"])
    delete(mine, name)


def test_imports_get_them(cfn, server, name):
    sns, s3 = server.client("sns"), server.client("s3")
    topic = sns.create_topic(Name=name, Tags=[{"Key": "mine", "Value": "1"}])["TopicArn"]
    s3.create_bucket(Bucket=name)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "mine", "Value": "1"}]})

    def tags():
        return (plain(sns.list_tags_for_resource(ResourceArn=topic)["Tags"]),
                plain(s3.get_bucket_tagging(Bucket=name)["TagSet"]))

    kept = {"DeletionPolicy": "Retain"}
    template = {"Resources": {"Topic": {**typed("SNS::Topic", TopicName=name), **kept},
                              "Bucket": {**typed("S3::Bucket", BucketName=name), **kept},
                              "Missing": {**typed("SNS::Topic", TopicName=f"{name}-no"), **kept, "DependsOn": ["Topic", "Bucket"]}}}
    imports = [("Topic", "AWS::SNS::Topic", {"TopicArn": topic}), ("Bucket", "AWS::S3::Bucket", {"BucketName": name})]
    # An import that fails leaves no trace of itself.
    missing = ("Missing", "AWS::SNS::Topic", {"TopicArn": f"{topic}-no"})
    settled(cfn, import_set(cfn, name, template, *imports, missing), "IMPORT_ROLLBACK_COMPLETE")
    assert tags() == ({"mine": "1"}, {"mine": "1"})
    del template["Resources"]["Missing"]
    stack = settled(cfn, import_set(cfn, name, template, *imports), "IMPORT_COMPLETE")
    assert tags() == tuple({"mine": "1", **own_of(stack, logical)} for logical in ("Topic", "Bucket"))
    delete(cfn, name)


def test_nested_stacks_get_them(cfn, server, name):
    url = Templates(server).put("inner.json", {"Resources": {"Topic": typed("SNS::Topic")}})
    root = create(cfn, name, {"Resources": {"Nested": nested(url)}}, Tags=[{"Key": "team", "Value": "a"}])
    inner = resources(cfn, name)["Nested"]["PhysicalResourceId"]
    found = stack_of(cfn, inner)
    assert plain(found["Tags"]) == {"team": "a", **own_of(root, "Nested")}
    assert Tagged(server, cfn, inner).of("Topic") == {"team": "a", **own_of(found, "Topic")}
    # The nested stack, updated by itself.
    template = {"Resources": {"Topic": typed("SNS::Topic", DisplayName="d")}}
    found = update(cfn, inner, template, Tags=[{"Key": "team", "Value": "b"}])
    assert plain(found["Tags"]) == {"team": "b", **own_of(root, "Nested")}
    delete(cfn, name)
