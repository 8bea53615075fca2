"""Creates the whole stack in moto's emulation of CloudFormation, as far as moto knows the types. Usage: create_stack.py

What it shows: the templates translate and resolve, every reference and condition leads somewhere, the nested stacks get
their parameters, and the resources are accepted by moto's own checks of their APIs. For what it cannot show, see
docs/reliability.md.

Runs with the Python that SAM and moto are installed in.
"""

import collections
import io
import json
import os
import pathlib
import zipfile

os.environ.update(AWS_DEFAULT_REGION="eu-central-1", AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")

import boto3
from moto import mock_aws
from moto.cloudformation.models import Stack
from moto.cloudformation.parsing import get_model_map
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

ROOT = pathlib.Path(__file__).parents[2]
BUCKET = "packages"
# The longest name of a stack, less the part that moto appends to the names of nested stacks.
STACK_NAME = "s" * 90
PARAMETERS = {
    "Stage": "test",
    "TokenIssuer": "https://issuer.example.com",
    "TokenAudience": "one,two",
    "AlarmTopicArn": "arn:aws:sns:eu-central-1:123456789012:alarms",
    "CorsOrigins": "https://one.example.com,https://two.example.com",
}
# The resource types that moto does not support, and the number of resources of each.
UNKNOWN = {
    "AWS::ApiGatewayV2::Api": 1,
    "AWS::ApiGatewayV2::Stage": 1,
    "AWS::CloudWatch::Alarm": 28,
    "AWS::CloudWatch::CompositeAlarm": 1,
    "AWS::Lambda::EventInvokeConfig": 2,
    "AWS::Logs::MetricFilter": 3,
    "AWS::Pipes::Pipe": 1,
    "AWS::Scheduler::Schedule": 2,
}


class NoManagedPolicies:
    """No policy of the template is a managed one."""

    def load(self):
        return {}


def nested_output(stack, name):
    """`!GetAtt Stack.Outputs.Name`, which moto lacks."""
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.outputs or []}
    return outputs[name.removeprefix("Outputs.")]


def known_to_moto(template, unknown):
    """Leaves out what moto does not know, puts a text where it is referred to, and counts what was left out."""
    missing = {name for name, resource in template["Resources"].items() if resource["Type"] not in get_model_map()}
    unknown.update(template["Resources"].pop(name)["Type"] for name in missing)

    def replaced(value):
        match value:
            case {"Ref": name} if name in missing:
                return f"ref-{name}"
            case {"Fn::GetAtt": [name, attribute]} if name in missing:
                return f"arn:aws:unknown:eu-central-1:123456789012:{name}/{attribute}"
            case {"Fn::Sub": str(text)}:
                for name in missing:
                    text = text.replace(f"${{{name}}}", f"ref-{name}")
                return {"Fn::Sub": text}
            case dict():
                return {key: replaced(inner) for key, inner in value.items()}
            case list():
                return [replaced(inner) for inner in value]
        return value

    template = replaced(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Events::Archive":
            # moto accepts only a string.
            resource["Properties"]["EventPattern"] = json.dumps(resource["Properties"]["EventPattern"])
    return template


def translated(s3, unknown):
    """The template as SAM translates it, with everything that it names in the bucket."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("bootstrap", "")
    s3.put_object(Bucket=BUCKET, Key="package", Body=package.getvalue())
    template = yaml_parse((ROOT / "template.yaml").read_text())
    template["Globals"]["Function"]["CodeUri"] = f"s3://{BUCKET}/package"
    for resource in template["Resources"].values():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = f"s3://{BUCKET}/package"
        elif resource["Type"] == "AWS::CloudFormation::Stack":
            nested = known_to_moto(yaml_parse((ROOT / properties["TemplateURL"]).read_text()), unknown)
            s3.put_object(Bucket=BUCKET, Key=properties["TemplateURL"], Body=json.dumps(nested))
            properties["TemplateURL"] = f"https://{BUCKET}.s3.amazonaws.com/{properties['TemplateURL']}"
    defaults = {name: value["Default"] for name, value in template["Parameters"].items() if "Default" in value}
    return known_to_moto(transform(template, defaults | PARAMETERS, NoManagedPolicies()), unknown)


@mock_aws
def create():
    Stack.get_cfn_attribute = nested_output
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    unknown = collections.Counter()
    template = translated(s3, unknown)
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK_NAME,
        TemplateBody=json.dumps(template, default=str),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    assert dict(unknown) == UNKNOWN, f"moto does not know {dict(unknown)}"
    stacks = cloudformation.describe_stacks()["Stacks"]
    created = collections.Counter()
    for stack in stacks:
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        summaries = cloudformation.list_stack_resources(StackName=stack["StackName"])["StackResourceSummaries"]
        created.update(summary["ResourceType"] for summary in summaries)
    check(created, template)
    print(f"{len(stacks)} stacks, {sum(created.values())} resources; unknown to moto: {sum(unknown.values())}")


def check(created, template):
    """What was created is what the templates say."""
    functions = boto3.client("lambda").list_functions()["Functions"]
    assert len(functions) == created["AWS::Lambda::Function"] > 40, created
    table = boto3.client("dynamodb").list_tables()["TableNames"]
    assert len(table) == 1, table
    for function in functions:
        assert function["Environment"]["Variables"]["TABLE_NAME"] == table[0], function
    [dashboard] = boto3.client("cloudwatch").list_dashboards()["DashboardEntries"]
    body = boto3.client("cloudwatch").get_dashboard(DashboardName=dashboard["DashboardName"])["DashboardBody"]
    assert len(json.loads(body)["widgets"]) == 12 and table[0] in body and "${" not in body, body
    queues = boto3.client("sqs").list_queues()["QueueUrls"]
    names = [queue.rsplit("/", 1)[1] for queue in queues]
    assert len(names) == created["AWS::SQS::Queue"] == 6 and all(len(name) <= 80 for name in names), names
    [archive] = boto3.client("events").list_archives()["Archives"]
    assert len(archive["ArchiveName"]) <= 48, archive
    assert len(template["Resources"]) < 500, "CloudFormation's limit"


create()
