"""`POST /deployments/{id}/transition`, as the product answers it, in Python: boto3 and Powertools.

It reads and writes what the product does, with the same requests and conditions. What the benchmark never asks for is
left out, which makes it only faster: idempotency keys, If-Match, query parameters, subscriptions and invoices.
"""

import json
import os
import re
import unicodedata
import uuid
from datetime import datetime, timedelta, timezone
from http import HTTPStatus

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

TABLE = os.environ["TABLE_NAME"]
TENANT_CLAIM = os.environ["TENANT_CLAIM"]
ROLE_CLAIM = os.environ["ROLE_CLAIM"]
DUE_SHARDS = int(os.environ["DUE_SHARDS"])
STATE_SHARDS = 4
MAX_BODY_LEN = 64 * 1024

# Who may make which move: also tenants; tenants while nothing is owed, or while nothing is overdue, and in both cases
# without a hold; or only the platform.
MOVES = {
    "trial": {"active": "tenant", "cancelled": "tenant"},
    "active": {"paused": "tenant", "past_due": "platform", "cancelled": "tenant"},
    "past_due": {"active": "platform", "suspended": "platform", "cancelled": "tenant"},
    "paused": {"active": "tenant_nothing_overdue", "cancelled": "tenant"},
    "suspended": {"active": "platform", "cancelled": "tenant"},
    "cancelled": {"active": "tenant_owing_nothing", "archived": "platform"},
    "archived": {},
}
VIEW = (
    "id tenant_id slug display_name region state state_since llm_mode billing_action_suspended template_code "
    "template_version trial_ends_at resume_at live_resources open_invoices uncollectible_invoices next_action "
    "next_action_at version created_at updated_at"
).split()

logger = Logger(service="transition_deployment")
app = APIGatewayHttpResolver()
# Like everything that does not depend on an event, the client is created before the first one.
dynamodb = boto3.client(
    "dynamodb",
    config=Config(connect_timeout=2, read_timeout=2, retries={"mode": "standard", "max_attempts": 3}),
)
serialize = TypeSerializer().serialize
deserialize = TypeDeserializer().deserialize


class Problem(Exception):
    """What a caller is told when something went wrong (RFC 9457)."""

    def __init__(self, status, code, detail, **members):
        super().__init__(code)
        self.status, self.code = status, code
        self.body = {
            "type": f"urn:arcadia:problem:{code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": detail,
            **members,
        }


class Invalid(Exception):
    """What is wrong with a field."""

    def __init__(self, code, detail):
        super().__init__(code)
        self.code, self.detail = code, detail


def text(check, code, detail):
    def read(value):
        if not isinstance(value, str):
            raise Invalid("not_a_string", "must be a string")
        if not check(value):
            raise Invalid(code, detail)
        return value

    return read


def is_text(value, max_chars, allowed=""):
    controls = (c for c in value if unicodedata.category(c) == "Cc" and c not in allowed)
    return bool(value.strip()) and len(value) <= max_chars and next(controls, None) is None


def boolean(value):
    if not isinstance(value, bool):
        raise Invalid("not_a_boolean", "must be true or false")
    return value


def timestamp(value):
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None and at.year >= 1970:
            return at.astimezone(timezone.utc)
    except (TypeError, ValueError):
        pass
    detail = "must be an RFC 3339 time of the years 1970 to 9999, such as 2027-01-31T00:00:00Z"
    raise Invalid("invalid_timestamp", detail)


FIELDS = {
    "to_state": text(MOVES.__contains__, "invalid_state", f"must be one of {', '.join(MOVES)}"),
    "reason": text(
        lambda value: is_text(value, 200),
        "invalid_reason",
        "must be 1 to 200 characters, not blank, without control characters",
    ),
    "notes": text(
        lambda value: is_text(value, 2000, "\n\r\t"),
        "invalid_notes",
        "must be 1 to 2000 characters, not blank, without control characters other than line breaks and tabs",
    ),
    "resume_at": timestamp,
    "dry_run": boolean,
}


def problem_of_fields(status, code, errors):
    detail = "; ".join(f"{error['pointer']} {error['detail']}" for error in errors)
    return Problem(status, code, f"{detail}.", errors=errors)


def read_fields(event):
    media_type = event.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in ("application/json", "application/merge-patch+json"):
        detail = "The body must be sent as Content-Type: application/json."
        raise Problem(415, "unsupported_media_type", detail)
    if len((event.body or "").encode()) > MAX_BODY_LEN:
        raise Problem(413, "payload_too_large", f"The body must be at most {MAX_BODY_LEN} bytes long.")
    try:
        body = event.json_body
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Problem(400, "malformed_json", "The body is not a JSON object.")
    unknown = [
        {"pointer": f"/{name}", "code": "unknown_field", "detail": "is not a field of this request"}
        for name in body
        if name not in FIELDS
    ]
    if unknown:
        raise problem_of_fields(400, "unknown_field", unknown)
    fields, errors = {}, []
    for name, read in FIELDS.items():
        value = body.get(name)
        try:
            if value is not None:
                fields[name] = read(value)
            elif name == "to_state":
                raise Invalid("not_null", "must not be null") if name in body else Invalid("required", "is required")
        except Invalid as invalid:
            errors.append({"pointer": f"/{name}", "code": invalid.code, "detail": invalid.detail})
    if errors:
        raise problem_of_fields(422, "validation_failed", errors)
    return fields


def read_principal(context):
    claims = context.authorizer.jwt_claim if context.authorizer else {}
    subject, role = claims.get("sub", ""), claims.get(ROLE_CLAIM)
    if not is_text(subject, 255) or subject.startswith("system:"):
        raise Problem(401, "unauthenticated", "A valid bearer token is required.")
    if role not in ("platform_admin", "payment_provider", "data_plane", "tenant_user"):
        raise Problem(403, "role_required", "The token names no role known here.")
    tenant = claims.get(TENANT_CLAIM)
    if role == "tenant_user" and not re.fullmatch("[A-Za-z0-9_-]{1,64}", tenant or ""):
        raise Problem(403, "tenant_required", "The token names no valid tenant.")
    if role in ("payment_provider", "data_plane"):
        raise Problem(403, "role_not_permitted", "The token's role may not do this.")
    return subject, role, tenant


def load(deployment_id, role, tenant):
    """Reads the deployment: one consistent Query of its present state."""
    items = dynamodb.query(
        TableName=TABLE,
        ConsistentRead=True,
        KeyConditionExpression="PK = :pk AND begins_with(SK, :present)",
        ExpressionAttributeValues={":pk": {"S": f"DEPLOYMENT#{deployment_id}"}, ":present": {"S": "#"}},
    )["Items"]
    if not items:
        raise Problem(404, "not_found", "There is no such record.")
    deployment = {name: deserialize(value) for name, value in items[0].items()}
    if len(items) > 1 or deployment.get("open_invoices"):
        raise NotImplementedError("deployments that are billed")
    if role == "tenant_user" and deployment["tenant_id"] != tenant:
        raise Problem(404, "not_found", "There is no such record.")
    return deployment


def check_move(deployment, to, role):
    """Refuses what the map does not have, or not for this caller."""
    moves, source = MOVES[deployment["state"]], deployment["state"]
    state = {"from": source, "to": to}
    # Without invoices nothing is owed.
    held = deployment["billing_action_suspended"]
    refused = ("platform", "tenant_nothing_overdue", "tenant_owing_nothing") if held else ("platform",)
    permitted = [name for name, permission in moves.items() if role == "platform_admin" or permission not in refused]
    if to not in moves:
        detail = f"A deployment cannot move from {source} to {to}."
        raise Problem(422, "invalid_transition", detail, **state, allowed_transitions=permitted)
    if to not in permitted:
        is_held = moves[to] != "platform"
        code = "deployment_held" if is_held else "transition_not_permitted"
        clause = " while it is on hold" if is_held else ""
        detail = f"You may not move this deployment from {source} to {to}{clause}."
        raise Problem(403, code, detail, **state, allowed_transitions=permitted)
    if to == "archived" and deployment["live_resources"] > 0:
        count = int(deployment["live_resources"])
        detail = f"A deployment with live resources cannot be archived; {count} must be deleted first."
        raise Problem(422, "live_resources", detail, live_resources=count)


def check_resume_at(to, resume_at, now):
    if resume_at is None:
        return
    if to != "paused":
        wrong = ("not_allowed", "is only for the state paused")
    elif resume_at <= now:
        wrong = ("not_in_future", "must be in the future")
    elif (resume_at - now).days > 36_525:
        wrong = ("too_far_ahead", "must be within the next 100 years")
    else:
        return
    error = {"pointer": "/resume_at", "code": wrong[0], "detail": wrong[1]}
    raise problem_of_fields(422, "validation_failed", [error])


def write_time(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def next_action(deployment):
    """What the clock will do next by itself, and when."""
    state = deployment["state"]
    if deployment["billing_action_suspended"]:
        return None
    if state == "paused" and "resume_at" in deployment:
        return "resume", deployment["resume_at"]
    if state == "trial" and "trial_ends_at" in deployment:
        return "end_trial", deployment["trial_ends_at"]
    if state == "cancelled" and deployment["live_resources"] == 0:
        days = int(deployment["dunning_policy"]["archived_after_days"])
        return "archive", write_time(datetime.fromisoformat(deployment["state_since"]) + timedelta(days=days))
    return None


def move(before, fields, now):
    """The deployment in its new state; what is not set has no attribute."""
    to, at = fields["to_state"], write_time(now)
    unset = ("resume_at", "next_action", "next_action_at", "GSI3PK", "GSI3SK")
    after = {name: value for name, value in before.items() if name not in unset}
    after.update(state=to, state_since=at, updated_at=at, version=before["version"] + 1)
    if "resume_at" in fields:
        after["resume_at"] = write_time(fields["resume_at"])
    last_byte = int(before["id"][-2:], 16)
    after["GSI2PK"] = f"STATE#{to}#{last_byte % STATE_SHARDS:03}"
    if step := next_action(after):
        after["next_action"], after["next_action_at"] = step
        after["GSI3PK"] = f"DUE#{last_byte % DUE_SHARDS:03}"
        after["GSI3SK"] = f"{step[1]}#{before['id']}"
    return after


def commit(before, after, event):
    """Writes the new state and its event: both, or nothing if somebody changed the deployment since it was read."""
    commit_id = str(uuid.uuid4())
    after["last_commit_id"] = commit_id
    record = {"deployment_id": after["id"], "tenant_id": after["tenant_id"], "event": event}
    event_item = {
        "PK": after["PK"],
        "SK": f"EVENT#{event['sequence']:010}",
        "type": "event",
        "record": record,
        "last_commit_id": commit_id,
    }

    def put(item, condition, **more):
        item = {name: serialize(value) for name, value in item.items()}
        put = {"TableName": TABLE, "Item": item, "ConditionExpression": condition}
        return {"Put": {**put, "ReturnValuesOnConditionCheckFailure": "ALL_OLD", **more}}

    over = put(
        after,
        "version = :version AND #state = :state",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":version": serialize(before["version"]), ":state": {"S": before["state"]}},
    )
    try:
        writes = [over, put(event_item, "attribute_not_exists(PK)")]
        dynamodb.transact_write_items(TransactItems=writes, ClientRequestToken=commit_id)
    except dynamodb.exceptions.TransactionCanceledException as cancelled:
        detail = "The deployment was changed by someone else at the same moment. Nothing was done; read it and decide anew."
        raise Problem(409, "version_conflict", detail) from cancelled


@app.post("/api/v1/deployments/<deployment_id>/transition")
def transition(deployment_id):
    event = app.current_event
    subject, role, tenant = read_principal(event.request_context)
    try:
        deployment_id = str(uuid.UUID(deployment_id))
    except ValueError as error:
        raise Problem(400, "invalid_id", "The path's id must be a UUID.") from error
    fields = read_fields(event)
    before = load(deployment_id, role, tenant)
    to, dry_run = fields["to_state"], fields.get("dry_run", False)
    after, happened, version = before, None, before["version"]
    if before["state"] != to:
        check_move(before, to, role)
        # A clock that is behind another's must not make a history's times decrease.
        now = max(datetime.now(timezone.utc), datetime.fromisoformat(before["updated_at"]))
        check_resume_at(to, fields.get("resume_at"), now)
        after = move(before, fields, now)
        happened = {
            "sequence": int(after["version"]),
            "type": "state_changed",
            "data": {"resume_at": after.get("resume_at"), "subscription": None, "dunning_policy": None},
            "from_state": before["state"],
            "to_state": to,
            "reason": fields.get("reason"),
            "actor": subject,
            "notes": fields.get("notes"),
            "occurred_at": after["updated_at"],
        }
        if not dry_run:
            commit(before, after, happened)
            version = after["version"]
    view = {name: after.get(name) for name in VIEW}
    for name in ("live_resources", "uncollectible_invoices", "version"):
        view[name] = int(after.get(name, 0))
    view["open_invoices"] = []
    logger.info(
        "answered",
        request_id=event.request_context.request_id,
        route="transition_deployment",
        deployment_id=deployment_id,
        actor=subject,
        status=200,
    )
    headers = {**common_headers(), "etag": f'"{version}"'}
    return Response(200, "application/json", {"deployment": view, "event": happened, "dry_run": dry_run}, headers)


def common_headers():
    return {"cache-control": "no-store", "x-request-id": app.current_event.request_context.request_id}


@app.exception_handler(Problem)
def refuse(problem):
    context = app.current_event.request_context
    fields = {"route": "transition_deployment", "status": problem.status, "code": problem.code}
    logger.info("refused", request_id=context.request_id, **fields)
    return Response(problem.status, "application/problem+json", json.dumps(problem.body), common_headers())


@app.exception_handler(ClientError)
def fail(error):
    logger.exception("failed", error=error)
    return refuse(Problem(503, "unavailable", "The service is short of capacity for a moment. Send the request again."))


def handler(event, context):
    return app.resolve(event, context)
