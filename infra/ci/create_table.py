"""Creates the table of template.yaml in a DynamoDB Local. Usage: create_table.py ENDPOINT

Runs with the Python that SAM is installed in, which has all that is imported here.
"""

import pathlib
import sys

import boto3
from samcli.yamlhelper import yaml_parse

# `sam local invoke` resolves a reference to a resource to its logical id in the template.
NAME = "Table"
# Some properties of the template have no parameter in CreateTable.
SHAPE = ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"]

template = yaml_parse((pathlib.Path(__file__).parents[2] / "template.yaml").read_text())
properties = template["Resources"][NAME]["Properties"]
client = boto3.client(
    "dynamodb",
    endpoint_url=sys.argv[1],
    region_name="eu-central-1",
    aws_access_key_id="local",
    aws_secret_access_key="local",
)
client.create_table(TableName=NAME, **{key: properties[key] for key in SHAPE})
