"""Serverless templates, transformed by the server and by the public `aws-sam-translator` package.

The server's output is what GetTemplate shows of a change set; it is there even where types that the
output uses are not.
"""

import copy
import json
from functools import reduce

import pytest
from boto3.session import Session
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

from support import REGION, queue_arn, receive, unique
from test_cloudformation import create, delete

NAME = "AWS::Serverless-2016-10-31"


def translated(template):
    """What the package makes of a template, or its message."""
    template = copy.deepcopy(template)
    translator = Translator({}, Parser(), boto_session=Session(region_name=REGION))
    try:
        to_py27_compatible_template(template, {})
        return undo_mark_unicode_str_in_template(translator.translate(template, {}))
    except InvalidDocumentException as error:
        return reduce(lambda message, cause: f"{message} {cause.message}", error.causes, error.message)


def transformed(server, template):
    """What the server makes of a template, or its message."""
    cfn = server.client("cloudformation")
    set_id = cfn.create_change_set(StackName=unique("sam"), ChangeSetName="one", ChangeSetType="CREATE",
                                   TemplateBody=json.dumps(template),
                                   Capabilities=["CAPABILITY_NAMED_IAM"])["Id"]
    stages = cfn.get_template(ChangeSetName=set_id)["StagesAvailable"]
    if stages == ["Original"]:
        reason = cfn.describe_change_set(ChangeSetName=set_id)["StatusReason"]
        begin = f"Transform {NAME} failed with: "
        assert reason.startswith(begin)
        return reason[len(begin):]
    assert stages == ["Original", "Processed"]
    original = cfn.get_template(ChangeSetName=set_id, TemplateStage="Original")["TemplateBody"]
    assert original == template
    return cfn.get_template(ChangeSetName=set_id, TemplateStage="Processed")["TemplateBody"]


def unordered(node):
    """Lists of dependencies have no order."""
    if isinstance(node, dict):
        return {key: sorted(value) if key == "DependsOn" and isinstance(value, list) else unordered(value)
                for key, value in node.items()}
    return [unordered(item) for item in node] if isinstance(node, list) else node


def function(events=None, **properties):
    properties = {"Handler": "bootstrap", "Runtime": "provided.al2023", "CodeUri": "s3://packages/code.zip", **properties}
    if events:
        properties["Events"] = events
    return {"Type": "AWS::Serverless::Function", "Properties": properties}


def api(path, method, **properties):
    return {"Type": "Api", "Properties": {"Path": path, "Method": method, **properties}}


def http(path, method, **properties):
    return {"Type": "HttpApi", "Properties": {"Path": path, "Method": method, **properties}}


def rest_api(**properties):
    return {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "v1", **properties}}


def connector(source, destination, *permissions, **attributes):
    source, destination = ({"Id": end} if isinstance(end, str) else end for end in (source, destination))
    return {"Type": "AWS::Serverless::Connector", **attributes, "Properties": {
        "Source": source, "Destination": destination, "Permissions": list(permissions)}}


def embedded(**properties):
    return {"Type": "AWS::SQS::Queue", "Connectors": {"C": {"Properties": properties}}}


OWN = {"Ref": "Api"}
AUTHORIZER = {"Fn::GetAtt": ["Guard", "Arn"]}
CONDITIONS = {"IsProd": {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}, "IsTest": {"Fn::Equals": ["a", "b"]}}
METHODS = ["get", "POST", "put", "delete", "any", "patch", "head"]

TEMPLATES = {
    "applications": {
        "Parameters": {"Stage": {"Type": "String", "Default": "test"}},
        "Conditions": {"Is": {"Fn::Equals": [{"Ref": "Stage"}, "test"]}},
        "Resources": {
            "Plain": {"Type": "AWS::Serverless::Application", "Properties": {"Location": "https://s3.amazonaws.com/b/t.yaml"}},
            "Whole": {"Type": "AWS::Serverless::Application", "Condition": "Is", "DependsOn": "Plain", "DeletionPolicy": "Retain",
                      "Properties": {"Location": "https://s3.amazonaws.com/b/t.yaml", "TimeoutInMinutes": 5,
                                     "Parameters": {"Stage": {"Ref": "Stage"}, "Of": {"Fn::GetAtt": ["Plain", "Outputs.It"]}},
                                     "Tags": {"a": "b"}}}}},
    "proxy": {"Resources": {"Fn": function({"Any": api("/{proxy+}", "ANY"), "Root": api("/", "post")})}},
    "globals": {
        "Globals": {
            "Function": {"Timeout": 5, "MemorySize": 256, "Environment": {"Variables": {"A": "b"}},
                         "Tags": {"t": "v"}, "Layers": ["arn:one"], "Architectures": ["arm64"], "Tracing": "Active"},
            "Api": {"Cors": "'*'", "TracingEnabled": True, "EndpointConfiguration": "REGIONAL",
                    "MethodSettings": [{"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingBurstLimit": 5}]}},
        "Resources": {
            "Fn": function({"Get": api("/items", "get"), "Post": api("/items", "post"), "One": api("/items/{id}", "GET")},
                           FunctionName="named", Environment={"Variables": {"C": "d"}}, Layers=["arn:two"],
                           Architectures=["x86_64"]),
            "Other": {**function({"X": api("/other", "any")}), "IgnoreGlobals": ["Layers", "Tags"]}},
        "Outputs": {"Url": {"Value": {"Fn::Sub": "https://${ServerlessRestApi}/${ServerlessRestApi.Stage}/ ${!x}"}},
                    "Deployment": {"Value": {"Ref": "ServerlessRestApi.Deployment"}}}},
    "many paths": {
        "Globals": {"Api": {"Cors": {"AllowOrigin": "'https://x'", "AllowHeaders": "'a'", "MaxAge": "'600'",
                                     "AllowCredentials": True}}},
        "Resources": {f"Fn{i}": function({f"E{j}": api(f"/path{i}/{{x}}/{j}", method)
                                          for j, method in enumerate(METHODS)}) for i in range(6)}},
    "own api": {"Resources": {
        "Api": rest_api(
            Name="it's \"mine\" \u00e9\u4e2d", BinaryMediaTypes=["image~1png", "*/*"], Description="d", MinimumCompressionSize=5,
            Models={"User": {"type": "object", "required": ["n"],
                             "properties": {"n": {"type": "integer", "minimum": 1}, "x": {"type": "number", "maximum": 1.5}}}},
            GatewayResponses={"DEFAULT_4XX": {"ResponseParameters": {"Headers": {"Access-Control-Allow-Origin": "'*'"}},
                                              "StatusCode": 403, "ResponseTemplates": {"application/json": "{}\n"}}},
            Variables={"x": "y"}, Tags={"k": "v"}, PropagateTags=True, AccessLogSetting={"DestinationArn": "a", "Format": "f"}),
        "Fn": function({"P": api("/u", "post", RestApiId=OWN, TimeoutInMillis=3000,
                                 RequestModel={"Model": "User", "Required": True, "ValidateBody": True},
                                 RequestParameters=["method.request.header.A",
                                                    {"method.request.querystring.q": {"Required": True, "Caching": True}}]),
                        "G": api("/u/{a}", "get", RestApiId=OWN)})}},
    "authorizers": {"Resources": {
        "Api": rest_api(StageName="my-stage", Cors="'*'", Auth={
            "DefaultAuthorizer": "Token", "ApiKeyRequired": True, "AddDefaultAuthorizerToCorsPreflight": False,
            "UsagePlan": {"CreateUsagePlan": "PER_API", "Quota": {"Limit": 5, "Period": "DAY"}, "Throttle": {"RateLimit": 5}},
            "Authorizers": {
                "Token": {"FunctionArn": AUTHORIZER, "AuthorizationScopes": ["one"],
                          "Identity": {"Header": "X", "ValidationExpression": "^x", "ReauthorizeEvery": 5}},
                "Request": {"FunctionArn": AUTHORIZER, "FunctionPayloadType": "REQUEST", "FunctionInvokeRole": "arn:role",
                            "Identity": {"Headers": ["A", "B"], "QueryStrings": ["q"], "ReauthorizeEvery": 30}}}}),
        "Guard": function(),
        "Fn": function({"P": api("/a", "post", RestApiId=OWN),
                        "N": api("/n", "get", RestApiId=OWN, Auth={"Authorizer": "NONE", "ApiKeyRequired": False}),
                        "K": api("/k", "get", RestApiId=OWN, Auth={"ApiKeyRequired": True}),
                        "R": api("/r", "get", RestApiId=OWN, Auth={"Authorizer": "Request", "AuthorizationScopes": ["s"]})},
                       AutoPublishAlias="live")}},
    "resource policies": {
        "Parameters": {"V": {"Type": "String", "Default": "vpc-9"}},
        "Globals": {"Api": {"Cors": "'*'"}},
        "Resources": {
            "Api": rest_api(Auth={"ResourcePolicy": {
                "AwsAccountWhitelist": ["111111111111"], "IpRangeWhitelist": ["10.0.0.0/8"], "IpRangeBlacklist": ["10.1.0.1"],
                "SourceVpcWhitelist": ["vpc-1", "vpce-2"], "IntrinsicVpcBlacklist": [{"Ref": "V"}],
                "CustomStatements": [{"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}]}}),
            "Fn": function({"A": api("/a/{b}/", "get", RestApiId=OWN), "C": api("/b", "get", RestApiId=OWN),
                            "B": api("/b", "any", RestApiId=OWN, Auth={"ResourcePolicy": {
                                "AwsAccountBlacklist": ["222222222222"], "CustomStatements": {"Effect": "Allow"}}})}),
            "Other": function({"A": api("/x", "get", Auth={"ResourcePolicy": {"IpRangeWhitelist": ["10.0.0.1"]}})})}},
    "signatures": {"Resources": {
        "Api": rest_api(Auth={"DefaultAuthorizer": "AWS_IAM"}),
        "Fn": function({"A": api("/a", "get", RestApiId=OWN), "B": api("/b", "get", RestApiId=OWN, Auth={"InvokeRole": "NONE"}),
                        "C": api("/c", "get", RestApiId=OWN, Auth={"Authorizer": "AWS_IAM", "InvokeRole": "arn:role"})})}},
    "openapi 3": {
        "Parameters": {"Stage": {"Type": "String", "Default": "dev"}},
        "Resources": {
            "Api": rest_api(StageName={"Ref": "Stage"}, OpenApiVersion="3.0.1", Cors="'*'", Models={"M": {"type": "object"}},
                            Auth={"DefaultAuthorizer": "AWS_IAM"}, DisableExecuteApiEndpoint=True, FailOnWarnings=True),
            "Fn": function({"P": api("/a", "post", RestApiId=OWN, RequestModel={"Model": "M"})})}},
    "own documents": {"Resources": {
        "Away": rest_api(DefinitionUri="s3://docs/dir/swagger.json?versionId=v"),
        "Here": rest_api(DefinitionBody={"swagger": "2.0", "info": {"title": "t"}, "paths": {"/x": {"get": {
            "x-amazon-apigateway-integration": {"uri": {"Fn::Sub": "arn:${Fn.Arn}"}, "n": 1.50, "big": 1e30}}}}}),
        "Fn": function({"E": api("/x", "get", RestApiId={"Ref": "Here"})})}},
    "conditions": {"Conditions": CONDITIONS, "Resources": {
        "One": {**function({"A": api("/a", "get"), "B": api("/b", "get"), "H": http("/h", "get")}), "Condition": "IsProd"},
        "Two": {**function({"A": api("/a", "post"), "H": http("/i", "get")}), "Condition": "IsTest",
                "DeletionPolicy": "Retain", "UpdateReplacePolicy": "Delete"}}},
    "http": {"Resources": {
        "Fn": function({"D": {"Type": "HttpApi"}, "G": http("/g/{id}", "get"),
                        "P": http("/p/{proxy+}", "post", TimeoutInMillis=1000, PayloadFormatVersion="1.0",
                                  RouteSettings={"ThrottlingBurstLimit": 5})}),
        "Other": function({"X": http("/x", "any")})}},
    "own http api": {"Resources": {
        "Api": {"Type": "AWS::Serverless::HttpApi", "Properties": {
            "StageName": "dev", "Name": "name", "Description": "d", "Tags": {"a": "b"}, "StageVariables": {"v": "w"},
            "CorsConfiguration": {"AllowOrigins": ["https://x"], "AllowMethods": ["GET"], "MaxAge": 5, "AllowCredentials": True},
            "DisableExecuteApiEndpoint": False, "DefaultRouteSettings": {"ThrottlingRateLimit": 1},
            "Auth": {"DefaultAuthorizer": "Jwt", "Authorizers": {
                "Jwt": {"JwtConfiguration": {"issuer": "i", "audience": ["a"]}, "AuthorizationScopes": ["s"],
                        "IdentitySource": "$request.header.Authorization"},
                "Lambda": {"FunctionArn": AUTHORIZER, "AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": True,
                           "EnableFunctionDefaultPermissions": True,
                           "Identity": {"Headers": ["H"], "ReauthorizeEvery": 10}}}}}},
        "Guard": function(),
        "Fn": function({"X": http("/x", "get", ApiId=OWN), "Y": http("/y", "post", ApiId=OWN, Auth={"Authorizer": "Lambda"}),
                        "Z": http("/z", "get", ApiId=OWN, Auth={"Authorizer": "NONE"}),
                        "W": http("/w", "get", ApiId=OWN, Auth={"Authorizer": "Jwt", "AuthorizationScopes": ["q"]})})}},
    "domains": {
        "Parameters": {"Name": {"Type": "String", "Default": "p.example.com"}},
        "Resources": {
            "Api": rest_api(Domain={"DomainName": "a.example.com", "CertificateArn": "arn:c", "SecurityPolicy": "TLS_1_2"},
                            Tags={"a": "b"}, PropagateTags=True),
            "Edge": rest_api(StageName="v2", Domain={
                "DomainName": {"Ref": "Name"}, "CertificateArn": {"Ref": "Name"}, "EndpointConfiguration": "EDGE",
                "BasePath": ["/one/", "two-three"], "IpAddressType": "dualstack"}),
            "Raw": rest_api(Domain={"DomainName": {"Fn::Sub": "${AWS::Region}.example.com"}, "CertificateArn": "arn:c",
                                    "BasePath": "a_b", "NormalizeBasePath": False}),
            "Http": {"Type": "AWS::Serverless::HttpApi", "Properties": {"Tags": {"x": "y"}, "Domain": {
                "DomainName": "h.example.com", "CertificateArn": "arn:c", "SecurityPolicy": "TLS_1_2"}}},
            "Levels": {"Type": "AWS::Serverless::HttpApi", "Properties": {"StageName": "dev", "Domain": {
                "DomainName": {"Ref": "Name"}, "CertificateArn": "arn:c", "EndpointConfiguration": "REGIONAL",
                "BasePath": ["/v1/orders", "b_c-d"]}}},
            "Fn": function({"A": api("/a", "get", RestApiId={"Ref": "Api"}), "E": api("/a", "get", RestApiId={"Ref": "Edge"}),
                            "R": api("/a", "get", RestApiId={"Ref": "Raw"}), "H": http("/a", "get", ApiId={"Ref": "Http"}),
                            "L": http("/a", "get", ApiId={"Ref": "Levels"})})}},
    "http globals": {
        "Globals": {"HttpApi": {"CorsConfiguration": True, "Tags": {"x": "y"},
                                "Auth": {"EnableIamAuthorizer": True, "DefaultAuthorizer": "AWS_IAM"}}},
        "Resources": {"Fn": function({"X": http("/x", "get", Auth={"Authorizer": "AWS_IAM"}), "Y": http("/y", "get")})}},
    "events": {"Resources": {
        "Fn": function({
            "Queue": {"Type": "SQS", "Properties": {
                "Queue": {"Fn::GetAtt": ["Q", "Arn"]}, "BatchSize": 5, "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "Enabled": False, "ScalingConfig": {"MaximumConcurrency": 5}, "FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}},
            "Topic": {"Type": "SNS", "Properties": {"Topic": {"Ref": "T"}, "FilterPolicy": {"a": ["b"]},
                                                    "FilterPolicyScope": "MessageBody"}},
            "Lines": {"Type": "CloudWatchLogs", "Properties": {"LogGroupName": {"Ref": "G"}, "FilterPattern": "ERROR"}},
            "Through": {"Type": "SNS", "Properties": {"Topic": {"Ref": "T"}, "SqsSubscription": True}},
            "Fifo": {"Type": "SNS", "Properties": {"Topic": {"Ref": "F"}, "SqsSubscription": True}},
            "Own": {"Type": "SNS", "Properties": {"Topic": {"Ref": "T"}, "SqsSubscription": {
                "QueueArn": {"Fn::GetAtt": ["Q", "Arn"]}, "QueueUrl": {"Ref": "Q"}, "BatchSize": 3, "QueuePolicyLogicalId": "P"}}},
            "Files": {"Type": "S3", "Properties": {
                "Bucket": {"Ref": "B"}, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
                "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": "in/"}]}}}}}),
        "Q": {"Type": "AWS::SQS::Queue"}, "T": {"Type": "AWS::SNS::Topic"}, "G": {"Type": "AWS::Logs::LogGroup"},
        "F": {"Type": "AWS::SNS::Topic", "Properties": {"FifoTopic": True}}, "B": {"Type": "AWS::S3::Bucket"}}},
    "bucket under a condition": {"Conditions": CONDITIONS, "Resources": {
        "Fn": {**function({"S": {"Type": "S3", "Properties": {"Bucket": {"Ref": "B"}, "Events": "s3:ObjectCreated:*"}}}),
               "Condition": "IsProd", "Metadata": {"m": 1}, "DependsOn": ["Other"]},
        "B": {"Type": "AWS::S3::Bucket", "DependsOn": "Other", "Properties": {"BucketName": "x"}},
        "Other": {"Type": "AWS::S3::Bucket"}}},
    "everything of a function": {
        "Parameters": {"P": {"Type": "String", "Default": "p"}}, "Conditions": CONDITIONS,
        "Resources": {
            "Fn": function(
                AutoPublishAlias="live", VersionDescription="v", Description="d", Environment={"Variables": {"A": {"Ref": "P"}}},
                MemorySize=128, Tracing="Active", VpcConfig={"SubnetIds": ["s"]}, Layers=[{"Ref": "Layer"}, "arn:x"],
                EphemeralStorage={"Size": 512}, Tags={"k": "v"}, KmsKeyArn="k", RolePath="/x/", PermissionsBoundary="b",
                ReservedConcurrentExecutions=5, ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 1},
                DeadLetterQueue={"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["Q", "Arn"]}}, LoggingConfig={"LogFormat": "JSON"},
                EventInvokeConfig={"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60, "DestinationConfig": {
                    "OnSuccess": {"Type": "SQS"}, "OnFailure": {"Type": "SNS", "Destination": {"Ref": "T"}}}},
                FunctionUrlConfig={"AuthType": "NONE", "Cors": {"AllowOrigins": ["*"], "MaxAge": 5}, "InvokeMode": "BUFFERED"},
                Policies=["AWSLambdaExecute", "AmazonSQSFullAccess", "AWSLambdaSQSQueueExecutionRole", {"Ref": "P"},
                          {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
                          {"Fn::If": ["IsProd", {"SNSCrudPolicy": {"TopicName": "t"}}, {"Ref": "AWS::NoValue"}]},
                          {"Fn::If": ["IsProd", "AWSLambdaRole", {"Ref": "AWS::NoValue"}]}]),
            "Layer": {"Type": "AWS::Serverless::LayerVersion", "Properties": {
                "ContentUri": "s3://packages/layer.zip", "CompatibleRuntimes": ["python3.12"], "RetentionPolicy": "delete"}},
            "Q": {"Type": "AWS::SQS::Queue", "DependsOn": "Layer"}, "T": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {"Alias": {"Value": {"Ref": "Fn.Alias"}}, "Version": {"Value": {"Fn::GetAtt": ["Fn.Version", "Version"]}},
                    "Layer": {"Value": {"Fn::Sub": "${Layer} ${Fn.Arn} ${Fn.Alias} ${AWS::Region}"}},
                    "Queue": {"Value": {"Fn::GetAtt": ["Fn", "DestinationQueue.Arn"]}}}},
    "policy templates": {"Resources": {"Fn": function(Policies=[
        {"CloudFormationDescribeStacksPolicy": {}}, {"FilterLogEventsPolicy": {"LogGroupName": "g"}},
        {"FirehoseCrudPolicy": {"DeliveryStreamName": "s"}}, {"FirehoseWritePolicy": {"DeliveryStreamName": "s"}},
        {"LambdaInvokePolicy": {"FunctionName": "f"}}, {"S3CrudPolicy": {"BucketName": "b"}},
        {"S3FullAccessPolicy": {"BucketName": "b"}}, {"S3ReadPolicy": {"BucketName": {"Ref": "B"}}},
        {"S3WritePolicy": {"BucketName": "b"}}, {"SNSCrudPolicy": {"TopicName": "t"}},
        {"SNSPublishMessagePolicy": {"TopicName": "t"}}, {"SQSPollerPolicy": {"QueueName": "q"}},
        {"SQSSendMessagePolicy": {"QueueName": {"Fn::GetAtt": ["Q", "QueueName"]}}}]),
        "B": {"Type": "AWS::S3::Bucket"}, "Q": {"Type": "AWS::SQS::Queue"}}},
    "roles and aliases": {
        "Parameters": {"K": {"Type": "String", "Default": "key"}}, "Conditions": CONDITIONS,
        "Resources": {
            "A": function(Role="arn:aws:iam::1:role/r", AutoPublishAlias="v-1_x", AutoPublishCodeSha256="abcdef0123456789"),
            "B": function(Role={"Fn::If": ["IsProd", {"Ref": "AWS::NoValue"}, "arn:r"]}, AutoPublishAlias={"Ref": "K"},
                          CodeUri={"Bucket": "b", "Key": {"Ref": "K"}, "Version": "v"}),
            "C": function(Role={"Fn::If": ["IsProd", "arn:r", {"Ref": "AWS::NoValue"}]}, PropagateTags=True, Tags={"x": "y"},
                          AutoPublishAlias="z", AutoPublishAliasAllProperties=True, FunctionUrlConfig={"AuthType": "AWS_IAM"}),
            "D": {**function(EventInvokeConfig={"DestinationConfig": {"OnSuccess": {"Type": "SQS"}}}), "Condition": "IsProd",
                  "UpdateReplacePolicy": "Retain", "DeletionPolicy": "Retain"},
            "E": function(AssumeRolePolicyDocument={"Statement": []}, Policies="AmazonS3ReadOnlyAccess"),
            "F": {**function(), "Properties": {"Handler": "h", "Runtime": "python3.12", "InlineCode": "pass"}}}},
    "connectors": {"Conditions": CONDITIONS, "Resources": {
        "Fn": function({"Jobs": {"Type": "SQS", "Properties": {"Queue": {"Fn::GetAtt": ["Q", "Arn"]}}}}),
        "Other": {**function({"A": api("/a", "get"), "H": http("/h", "get")}), "DependsOn": "FnOther"},
        "Q": {"Type": "AWS::SQS::Queue"}, "T": {"Type": "AWS::SNS::Topic"},
        "B": {"Type": "AWS::S3::Bucket", "DependsOn": ["FnFiles", "Q", "BFn"]},
        "Rest": rest_api(), "Http": {"Type": "AWS::Serverless::HttpApi"},
        "RawRest": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "r"}},
        "RawRole": {"Type": "AWS::IAM::Role", "Properties": {}},
        "RawFn": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": "RawRole.Arn"}}},
        "RawMapping": {"Type": "AWS::Lambda::EventSourceMapping", "DependsOn": "T", "Properties": {
            "FunctionName": {"Ref": "RawFn"}, "EventSourceArn": {"Fn::GetAtt": "Q.Arn"}}},
        "FnOther": connector("Fn", "Other", "Write", DependsOn="T", Condition="IsProd", DeletionPolicy="Retain",
                             Metadata={"mine": 1}),
        "FnFiles": connector("Fn", "B", "Read", "Write"), "FnReads": connector("Fn", "B", "Read", "Read"),
        "FnQueue": connector("Fn", "Q", "Write", "Read"), "FnTopic": connector("Fn", "T", "Write"),
        "Polls": connector("Q", "Fn", "Read", "Write"), "RawPolls": connector("Q", "RawFn", "Write", "Read"),
        "RestFn": connector("Rest", "Fn", "Write"), "HttpFn": connector("Http", "Fn", "Write"),
        "RawRestFn": connector({"Id": "RawRest", "Qualifier": "Prod/GET/x"}, "Fn", "Write"),
        "ImplicitFn": connector("ServerlessRestApi", "Fn", "Write"),
        "TopicQueue": connector("T", "Q", "Write"), "TopicFn": connector("T", "RawFn", "Write"), "BFn": connector("B", "Fn", "Write"),
        "Many": connector("Fn", [{"Id": "Other"}, {"Id": "B"}, {"Id": "Q"}], "Write"),
        "One": connector("T", [{"Id": "Q"}], "Write"),
        "Away": connector({"Type": "AWS::Serverless::Function", "RoleName": "role"},
                          {"Type": "AWS::S3::Bucket", "Arn": {"Fn::Sub": "arn:${AWS::Partition}:s3:::b"}}, "Read"),
        "AwayApi": connector({"Type": "AWS::Serverless::HttpApi", "ResourceId": {"Ref": "Http"}, "Qualifier": "x"},
                             {"Type": "AWS::Lambda::Function", "Arn": "arn:fn"}, "Write"),
        "AwayQueue": connector("T", {"Type": "AWS::SQS::Queue", "Arn": "arn:q", "QueueUrl": "https://q"}, "Write")}},
    "embedded connectors": {"Conditions": CONDITIONS, "Resources": {
        "Fn": {**function(), "DependsOn": ["FnToQ"], "Connectors": {
            "ToB": {"Properties": {"Destination": {"Id": "B"}, "Permissions": ["Read"]}, "Condition": "IsProd"},
            "ToAll": {"Properties": {"Destination": [{"Id": "B"}, {"Id": "Q"}], "Permissions": ["Write"]}, "DependsOn": ["T"]}}},
        "Q": {"Type": "AWS::SQS::Queue", "Connectors": {
            "ToFn": {"Properties": {"Destination": {"Id": "Fn"}, "Permissions": ["Read", "Write"]}}}},
        "Rest": {**rest_api(), "Connectors": {"Calls": {"Properties": {
            "SourceReference": {"Qualifier": "v1/GET/"}, "Destination": {"Id": "Fn"}, "Permissions": ["Write"]}}}},
        "FnToQ": connector("T", "Q", "Write"), "T": {"Type": "AWS::SNS::Topic"}, "B": {"Type": "AWS::S3::Bucket"}}},
}

REFUSED = {
    "no location": {"App": {"Type": "AWS::Serverless::Application", "Properties": {"Parameters": {"A": "b"}}}},
    "no version": {"App": {"Type": "AWS::Serverless::Application", "Properties": {"Location": {"ApplicationId": "arn:a"}}}},
    "reserved tags": {"App": {"Type": "AWS::Serverless::Application", "Properties": {
        "Location": "https://s3.amazonaws.com/b/t", "Tags": {"serverlessrepo:applicationId": "x"}}}},
    "local path": {"Fn": function(CodeUri="./src")},
    "no code": {"Fn": {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "h", "Runtime": "r"}}},
    "no handler": {"Fn": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "s3://b/k"}}},
    "unknown property": {"Fn": function(Wrong=1)},
    "wrong types": {"Fn": function(Events="x"), "Other": function(Tags=[1]), "Third": function(Role=[1])},
    "unknown policy": {"Fn": function(Policies=[{"Nothing": {}}])},
    "policy without parameter": {"Fn": function(Policies=[{"S3ReadPolicy": {}}])},
    "reserved tag": {"Fn": function(Tags={"lambda:createdBy": "me"})},
    "alias": {"Fn": function(AutoPublishAlias="a b")},
    "url": {"Fn": function(FunctionUrlConfig={"AuthType": "X"}), "G": function(FunctionUrlConfig={"AuthType": "NONE", "Cors": {"X": 1}})},
    "dead-letter queue": {"Fn": function(DeadLetterQueue={"Type": "SQS"})},
    "destination": {"Fn": function(EventInvokeConfig={"DestinationConfig": {"OnSuccess": {"Type": "X"}}})},
    "bucket elsewhere": {"Fn": function({"X": {"Type": "S3", "Properties": {"Bucket": "b", "Events": "e"}}})},
    "event type": {"Fn": function({"X": {"Type": "Nothing"}})},
    "event without queue": {"Fn": function({"X": {"Type": "SQS", "Properties": {}}})},
    "no such api": {"Fn": function({"X": api("/a", "get", RestApiId={"Ref": "None"})})},
    "no method": {"Fn": function({"Y": {"Type": "Api", "Properties": {"Path": "/x"}}})},
    "method twice": {"Fn": function({"X": api("/a", "get"), "Y": api("/a", "GET")})},
    "authorizer": {"Fn": function({"Y": http("/b", "get", Auth={"Authorizer": "Q"})}), "G": function({"X": api("/a", "get", Auth={"Authorizer": "Q"})})},
    "model": {"Fn": function({"X": api("/a", "post", RequestModel={"Model": "M"})})},
    "stage": {"Api": {"Type": "AWS::Serverless::Api", "Properties": {}}},
    "accounts": {"Api": rest_api(Auth={"ResourcePolicy": {"AwsAccountWhitelist": "1"}}),
                 "Fn": function({"A": api("/a", "get", RestApiId=OWN)})},
    "two documents": {"Api": rest_api(DefinitionUri="s3://a/b", DefinitionBody={"swagger": "2.0", "paths": {}})},
    "default authorizer": {"Api": rest_api(Auth={"DefaultAuthorizer": "X", "Authorizers": {"Y": {"FunctionArn": "a"}}})},
    "layer": {"L": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "s3://b/l", "RetentionPolicy": "x"}}},
    "domain without certificate": {"Api": rest_api(Domain={"DomainName": "a"}), "Fn": function({"A": api("/a", "get", RestApiId=OWN)})},
    "domain's endpoint": {"Api": rest_api(Domain={"DomainName": "a", "CertificateArn": "c", "EndpointConfiguration": "X"}),
                          "Fn": function({"A": api("/a", "get", RestApiId=OWN)})},
    "domain's base path": {"Api": rest_api(Domain={"DomainName": "a", "CertificateArn": "c", "BasePath": [1]}),
                           "Fn": function({"A": api("/a", "get", RestApiId=OWN)})},
    **{f"http domain {index}": {"Api": {"Type": "AWS::Serverless::HttpApi", "Properties": {"Domain": domain}},
                                "Fn": function({"A": http("/a", "get", ApiId=OWN)})}
       for index, domain in enumerate([
           {"DomainName": "a"}, {"DomainName": "a", "CertificateArn": "c", "EndpointConfiguration": "EDGE"},
           {"DomainName": "a", "CertificateArn": "c", "BasePath": ["a b"]},
           {"DomainName": "a", "CertificateArn": "c", "BasePath": [1]}])},
    "connectors to what there is not": {"C": connector("Fn", "None", "Write"), "D": connector("None", "Fn", "Write"), "Fn": function()},
    "connectors of nothing": {"C": connector("Fn", [], "Write"), "D": connector({}, "Fn", "Write"), "E": connector("Fn", "Fn"),
                              "F": connector({"Id": 5}, "Fn", "Write"), "G": connector({"Arn": "x"}, "Fn", "Write"),
                              "H": connector({"Id": "Fn", "Arn": "x"}, "Fn", "Write"), "Fn": function()},
    "connectors of wrong types": {"C": connector(["Fn"], "Fn", "Write"), "D": connector("Fn", "Fn", 5),
                                  "E": connector("Fn", 5, "Write"), "F": connector("Fn", ["Fn"], "Write"),
                                  "Fn": function(),
                                  "G": {"Type": "AWS::Serverless::Connector", "Properties": {
                                      **connector("Fn", "Fn", "Write")["Properties"], "Wrong": 1}}},
    "permissions of connectors": {"C": connector("Fn", "B", "Write", "Wrong"), "D": connector("T", "Q", "Read"),
                                  "E": connector("Q", "Fn", "Read"), "Fn": function(), "B": {"Type": "AWS::S3::Bucket"},
                                  "T": {"Type": "AWS::SNS::Topic"}, "Q": {"Type": "AWS::SQS::Queue"}},
    "pairs of connectors": {"C": connector("B", "Q", "Write"), "D": connector("Fn", "D", "Write"), "Fn": function(),
                            "B": {"Type": "AWS::S3::Bucket"}, "Q": {"Type": "AWS::SQS::Queue"}},
    "connectors that lack something": {
        "C": connector("Fn", {"Type": "AWS::SQS::Queue"}, "Write"), "Fn": function(Role="arn:aws:iam::1:role/r"),
        "D": connector("Fn", "Fn", "Write"), "E": connector("T", {"Type": "AWS::SQS::Queue", "Arn": "a"}, "Write"),
        "F": connector({"Type": "AWS::Serverless::Api", "Arn": "a"}, "Fn", "Write"), "T": {"Type": "AWS::SNS::Topic"},
        "G": connector({"Type": "AWS::Serverless::Api", "ResourceId": "a"}, "Fn", "Write"),
        "H": connector("T", {"Type": "AWS::Lambda::Function"}, "Write")},
    "embedded connectors": {
        "A": embedded(Destination={"Id": "G"}), "B": {"Type": "AWS::SQS::Queue", "Connectors": "x"}, "D": embedded(SourceReference=5),
        "E": embedded(SourceReference={"Id": "x"}), "F": {"Type": "AWS::SQS::Queue", "Connectors": {"C": 5, "D": {}}},
        "G": embedded(Destination={"Id": "A"}, Permissions=["Write"]), "GC": {"Type": "AWS::SQS::Queue"},
        "Fn": {**function(Wrong=1), "Connectors": 5}},
    "id that is taken": {"Fn": function(), "FnRole": {"Type": "AWS::SQS::Queue"}},
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_become_what_sam_makes_of_them(server, name):
    template = {"Transform": NAME, **TEMPLATES[name]}
    expected, found = translated(template), transformed(server, template)
    assert isinstance(expected, dict), expected
    assert unordered(found) == unordered(expected)


@pytest.mark.parametrize("name", REFUSED)
def test_what_sam_refuses_is_refused_in_its_words(server, name):
    template = {"Transform": NAME, "Resources": REFUSED[name]}
    expected, found = translated(template), transformed(server, template)
    assert isinstance(expected, str)
    words = ("Resource with id", "Event with id", "Transforming resource")

    def parts(message):
        # The package has the order of its own dictionaries.
        for word in words[:1] + words[2:]:
            message = message.replace(f" {word}", f"\n{word}")
        return sorted(message.split("\n"))

    assert parts(found) == parts(expected)


@pytest.mark.parametrize("member", ["Route53", "MutualTlsAuthentication", "OwnershipVerificationCertificateArn"])
def test_what_domains_do_not_have_is_named(server, member):
    domain = {"DomainName": "a.example.com", "CertificateArn": "arn:c", member: {"HostedZoneId": "Z"}}
    found = transformed(server, {"Transform": NAME, "Resources": {
        "Api": rest_api(Domain=domain),
        "Http": {"Type": "AWS::Serverless::HttpApi", "Properties": {"Domain": domain}},
        "Fn": function({"A": api("/a", "get", RestApiId=OWN), "H": http("/a", "get", ApiId={"Ref": "Http"})})}})
    for kind in ("Api", "HttpApi"):
        assert f"Property 'Domain.{member}' of AWS::Serverless::{kind} is not supported." in found


def test_connectors_give_access(server, name):
    cfn, sns, sqs = server.client("cloudformation"), server.client("sns"), server.client("sqs")
    code = {"InlineCode": "def handler(event, context): pass", "Handler": "index.handler", "Runtime": "python3.11"}
    resources = {
        "Fn": {"Type": "AWS::Serverless::Function", "Properties": code, "Connectors": {
            "Sends": {"Properties": {"Destination": {"Id": "Queue"}, "Permissions": ["Write"]}}}},
        "Topic": {"Type": "AWS::SNS::Topic"}, "Queue": {"Type": "AWS::SQS::Queue"},
        "Told": {"Type": "AWS::SNS::Subscription", "DependsOn": "Joins", "Properties": {
            "TopicArn": {"Ref": "Topic"}, "Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Queue", "Arn"]}}},
        "Joins": connector("Topic", "Queue", "Write")}
    made = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in _deployed(cfn, name, resources)}
    sns.publish(TopicArn=made["Topic"], Message="it came through")
    (message,) = receive(sqs, made["Queue"], 1)
    assert json.loads(message["Body"])["Message"] == "it came through"
    iam, role = server.client("iam"), made["FnRole"]
    policies = [p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]]
    assert made["FnSendsPolicy"] in policies
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    queue = queue_arn(sqs, made["Queue"])
    may = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["sqs:SendMessage", "sqs:ReceiveMessage"],
                                        ResourceArns=[queue])["EvaluationResults"]
    assert {r["EvalActionName"]: r["EvalDecision"] for r in may} == {
        "sqs:SendMessage": "allowed", "sqs:ReceiveMessage": "implicitDeny"}
    delete(cfn, name)


def _deployed(cfn, name, resources):
    """The resources of a stack of a serverless template."""
    create(cfn, name, {"Transform": NAME, "Resources": resources}, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
    return cfn.describe_stack_resources(StackName=name)["StackResources"]


def test_connectors_to_services_that_are_not_there_are_named(server):
    away = [("AWS::DynamoDB::Table", "Fn"), ("Fn", "AWS::StepFunctions::StateMachine"), ("AWS::Events::Rule", "T")]
    end = {"Fn": {"Id": "Fn"}, "T": {"Id": "T"}}
    found = transformed(server, {"Transform": NAME, "Resources": {
        "Fn": function(), "T": {"Type": "AWS::SNS::Topic"},
        **{f"C{n}": connector(*(end.get(kind, {"Type": kind, "Arn": "a"}) for kind in pair), "Write")
           for n, pair in enumerate(away)},
        "Odd": connector({"Type": "AWS::SNS::Topic", "Arn": "a", "Url": "b"}, "Fn", "Write"),
        "Own": embedded(Source={"Id": "Fn"}, Destination={"Id": "Fn"}, Permissions=["Read", "Write"])}})
    kinds = {"Fn": "AWS::Lambda::Function", "T": "AWS::SNS::Topic"}
    for source, destination in away:
        source, destination = kinds.get(source, source), kinds.get(destination, destination)
        assert f"Unable to create connector from {source} to {destination}; it's not supported" in found
    # SAM takes these and does nothing with them.
    assert "[Odd] is invalid. property Url not defined for a connected resource" in found
    assert "[OwnC] is invalid. property Source not defined for resource of type AWS::Serverless::Connector" in found
    assert "Number of errors found: 5." in found


def test_what_is_not_there_is_named(server):
    found = transformed(server, {"Transform": NAME, "Resources": {
        "Table": {"Type": "AWS::Serverless::SimpleTable"},
        "App": {"Type": "AWS::Serverless::Application", "Properties": {
            "Location": {"ApplicationId": "arn:a", "SemanticVersion": "1.0.0"}}},
        "Fn": function({"Tick": {"Type": "Schedule", "Properties": {"Schedule": "rate(1 minute)"}}},
                       DeploymentPreference={"Type": "AllAtOnce"})}})
    assert found == (
        "Invalid Serverless Application Specification document. Number of errors found: 4. "
        "Resource with id [Table] is invalid. Resource type 'AWS::Serverless::SimpleTable' is not supported. "
        "Resource with id [Fn] is invalid. Property 'DeploymentPreference' of AWS::Serverless::Function is not supported. "
        "Resource with id [Fn] is invalid. Event with id [Tick] is invalid. Event type 'Schedule' is not supported. "
        "Resource with id [App] is invalid. Property 'Location' must be a URL: applications of the AWS Serverless Application "
        "Repository are not supported.")
