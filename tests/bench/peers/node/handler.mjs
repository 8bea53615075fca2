// `POST /deployments/{id}/transition` as the product answers it, in JavaScript with the AWS SDK v3 alone.
//
// It sends the product's requests and conditions to DynamoDB. Features that the benchmark never uses are left out,
// which can only make it faster: idempotency keys, If-Match, query parameters, subscriptions and invoices.

import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";

import { DynamoDBClient, QueryCommand, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";

const { TABLE_NAME, TENANT_CLAIM, ROLE_CLAIM } = process.env;
const DUE_SHARDS = Number(process.env.DUE_SHARDS);
const STATE_SHARDS = 4;
const MAX_BODY_LEN = 64 * 1024;
const MAX_AHEAD_MS = 36_525 * 86_400_000;

// Like everything that does not depend on an event, the client is created before the first one. Credentials are read
// once; the SDK keeps connections alive.
const dynamodb = new DynamoDBClient({ maxAttempts: 3, requestHandler: { connectionTimeout: 2000, requestTimeout: 2000 } });

// Who may make which move: also tenants; tenants while nothing is owed, or while nothing is overdue, and in both cases
// without a hold; or only the platform.
const MOVES = {
  trial: { active: "tenant", cancelled: "tenant" },
  active: { paused: "tenant", past_due: "platform", cancelled: "tenant" },
  past_due: { active: "platform", suspended: "platform", cancelled: "tenant" },
  paused: { active: "tenant_nothing_overdue", cancelled: "tenant" },
  suspended: { active: "platform", cancelled: "tenant" },
  cancelled: { active: "tenant_owing_nothing", archived: "platform" },
  archived: {},
};

class Problem extends Error {
  // A problem (RFC 9457).
  constructor(status, code, detail, members = {}) {
    super(code);
    this.status = status;
    this.code = code;
    this.body = { type: `urn:arcadia:problem:${code}`, title: STATUS_CODES[status], status, code, detail, ...members };
  }
}

// An error in a field.
class Invalid extends Error {
  constructor(code, detail) {
    super(code);
    this.code = code;
    this.detail = detail;
  }
}

const text = (check, code, detail) => (value) => {
  if (typeof value !== "string") throw new Invalid("not_a_string", "must be a string");
  if (!check(value)) throw new Invalid(code, detail);
  return value;
};

const CONTROL = /\p{Cc}/u;
const CONTROL_IN_TEXT = /[^\P{Cc}\n\r\t]/u;
const isText = (value, maxChars, control = CONTROL) =>
  value.trim() !== "" && [...value].length <= maxChars && !control.test(value);

const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

const FIELDS = {
  to_state: text((value) => Object.hasOwn(MOVES, value), "invalid_state", `must be one of ${Object.keys(MOVES).join(", ")}`),
  reason: text(
    (value) => isText(value, 200),
    "invalid_reason",
    "must be 1 to 200 characters, not blank, without control characters",
  ),
  notes: text(
    (value) => isText(value, 2000, CONTROL_IN_TEXT),
    "invalid_notes",
    "must be 1 to 2000 characters, not blank, without control characters other than line breaks and tabs",
  ),
  resume_at: (value) => {
    const at = typeof value === "string" && RFC_3339.test(value) ? Date.parse(value) : NaN;
    if (at >= 0) return at;
    throw new Invalid(
      "invalid_timestamp",
      "must be an RFC 3339 time of the years 1970 to 9999, such as 2027-01-31T00:00:00Z",
    );
  },
  dry_run: (value) => {
    if (typeof value !== "boolean") throw new Invalid("not_a_boolean", "must be true or false");
    return value;
  },
};

function problemOfFields(status, code, errors) {
  const detail = errors.map((error) => `${error.pointer} ${error.detail}`).join("; ");
  return new Problem(status, code, `${detail}.`, { errors });
}

function readFields(event) {
  const mediaType = (event.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();
  if (!["application/json", "application/merge-patch+json"].includes(mediaType)) {
    throw new Problem(415, "unsupported_media_type", "The body must be sent as Content-Type: application/json.");
  }
  const encoding = event.isBase64Encoded ? "base64" : "utf8";
  const bytes = Buffer.from(event.body ?? "", encoding);
  if (bytes.length > MAX_BODY_LEN) {
    throw new Problem(413, "payload_too_large", `The body must be at most ${MAX_BODY_LEN} bytes long.`);
  }
  let body = null;
  try {
    body = JSON.parse(bytes.toString());
  } catch {
    // Reported below.
  }
  if (body === null || typeof body !== "object" || Array.isArray(body)) {
    throw new Problem(400, "malformed_json", "The body is not a JSON object.");
  }
  const unknown = Object.keys(body).filter((name) => !Object.hasOwn(FIELDS, name));
  if (unknown.length > 0) {
    const detail = "is not a field of this request";
    const errors = unknown.map((name) => ({ pointer: `/${name}`, code: "unknown_field", detail }));
    throw problemOfFields(400, "unknown_field", errors);
  }
  const fields = {};
  const errors = [];
  for (const [name, read] of Object.entries(FIELDS)) {
    const value = body[name];
    try {
      if (value !== undefined && value !== null) fields[name] = read(value);
      else if (name === "to_state") {
        throw value === null ? new Invalid("not_null", "must not be null") : new Invalid("required", "is required");
      }
    } catch (invalid) {
      if (!(invalid instanceof Invalid)) throw invalid;
      errors.push({ pointer: `/${name}`, code: invalid.code, detail: invalid.detail });
    }
  }
  if (errors.length > 0) throw problemOfFields(422, "validation_failed", errors);
  return fields;
}

function readPrincipal(event) {
  const claims = event.requestContext.authorizer?.jwt?.claims ?? {};
  const subject = claims.sub ?? "";
  if (!isText(subject, 255) || subject.startsWith("system:")) {
    throw new Problem(401, "unauthenticated", "A valid bearer token is required.");
  }
  const role = claims[ROLE_CLAIM];
  if (!["platform_admin", "payment_provider", "data_plane", "tenant_user"].includes(role)) {
    throw new Problem(403, "role_required", "The token names no role known here.");
  }
  const tenant = claims[TENANT_CLAIM];
  if (role === "tenant_user" && !/^[A-Za-z0-9_-]{1,64}$/.test(tenant ?? "")) {
    throw new Problem(403, "tenant_required", "The token names no valid tenant.");
  }
  if (["payment_provider", "data_plane"].includes(role)) {
    throw new Problem(403, "role_not_permitted", "The token's role may not do this.");
  }
  return { subject, role, tenant };
}

// Reads the deployment: one consistent Query of its present state.
async function load(id, { role, tenant }) {
  const { Items: items } = await dynamodb.send(
    new QueryCommand({
      TableName: TABLE_NAME,
      ConsistentRead: true,
      KeyConditionExpression: "PK = :pk AND begins_with(SK, :present)",
      ExpressionAttributeValues: { ":pk": { S: `DEPLOYMENT#${id}` }, ":present": { S: "#" } },
    }),
  );
  const [item, ...more] = items;
  if (more.length > 0 || item?.open_invoices) throw new Error("deployments that are billed");
  if (!item || (role === "tenant_user" && item.tenant_id.S !== tenant)) {
    throw new Problem(404, "not_found", "There is no such record.");
  }
  return item;
}

// Refuses a move that the map does not have, or does not allow this caller.
function checkMove(item, to, role) {
  const from = item.state.S;
  const moves = MOVES[from];
  // Without invoices nothing is owed.
  const refused = item.billing_action_suspended.BOOL ? ["platform", "tenant_nothing_overdue", "tenant_owing_nothing"] : ["platform"];
  const permitted = Object.keys(moves).filter((name) => role === "platform_admin" || !refused.includes(moves[name]));
  const members = { from, to, allowed_transitions: permitted };
  if (!Object.hasOwn(moves, to)) {
    throw new Problem(422, "invalid_transition", `A deployment cannot move from ${from} to ${to}.`, members);
  }
  if (!permitted.includes(to)) {
    const isHeld = moves[to] !== "platform";
    const [code, clause] = isHeld ? ["deployment_held", " while it is on hold"] : ["transition_not_permitted", ""];
    throw new Problem(403, code, `You may not move this deployment from ${from} to ${to}${clause}.`, members);
  }
  const live = Number(item.live_resources.N);
  if (to === "archived" && live > 0) {
    const detail = `A deployment with live resources cannot be archived; ${live} must be deleted first.`;
    throw new Problem(422, "live_resources", detail, { live_resources: live });
  }
}

function checkResumeAt(to, resumeAt, now) {
  if (resumeAt === undefined) return;
  const refuse = (code, detail) => problemOfFields(422, "validation_failed", [{ pointer: "/resume_at", code, detail }]);
  if (to !== "paused") throw refuse("not_allowed", "is only for the state paused");
  if (resumeAt <= now) throw refuse("not_in_future", "must be in the future");
  if (resumeAt - now >= MAX_AHEAD_MS + 86_400_000) throw refuse("too_far_ahead", "must be within the next 100 years");
}

const writeTime = (ms) => new Date(ms).toISOString();

// The next scheduled step, and its time.
function nextAction(item) {
  if (item.billing_action_suspended.BOOL) return undefined;
  switch (item.state.S) {
    case "paused":
      return item.resume_at && { action: "resume", at: item.resume_at.S };
    case "trial":
      return item.trial_ends_at && { action: "end_trial", at: item.trial_ends_at.S };
    case "cancelled": {
      if (item.live_resources.N !== "0") return undefined;
      const days = Number(item.dunning_policy.M.archived_after_days.N);
      return { action: "archive", at: writeTime(Date.parse(item.state_since.S) + days * 86_400_000) };
    }
    default:
      return undefined;
  }
}

// The deployment in its new state. Unset fields have no attribute.
function move(before, fields, now) {
  const { resume_at, next_action, next_action_at, GSI3PK, GSI3SK, ...after } = before;
  const id = before.id.S;
  const lastByte = Number.parseInt(id.slice(-2), 16);
  const shard = (shards) => String(lastByte % shards).padStart(3, "0");
  const at = { S: writeTime(now) };
  Object.assign(after, {
    state: { S: fields.to_state },
    state_since: at,
    updated_at: at,
    version: { N: String(Number(before.version.N) + 1) },
    GSI2PK: { S: `STATE#${fields.to_state}#${shard(STATE_SHARDS)}` },
  });
  if (fields.resume_at !== undefined) after.resume_at = { S: writeTime(fields.resume_at) };
  const next = nextAction(after);
  if (next) {
    after.next_action = { S: next.action };
    after.next_action_at = { S: next.at };
    after.GSI3PK = { S: `DUE#${shard(DUE_SHARDS)}` };
    after.GSI3SK = { S: `${next.at}#${id}` };
  }
  return after;
}

// A value in DynamoDB's form.
function marshal(value) {
  if (value === null) return { NULL: true };
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: String(value) };
  return { M: Object.fromEntries(Object.entries(value).map(([name, member]) => [name, marshal(member)])) };
}

// Writes the new state and its event: both, or nothing if another writer has changed the deployment since it was read.
async function commit(before, after, event) {
  const commitId = randomUUID();
  const last_commit_id = { S: commitId };
  const record = marshal({ deployment_id: after.id.S, tenant_id: after.tenant_id.S, event });
  const SK = { S: `EVENT#${String(event.sequence).padStart(10, "0")}` };
  const put = (Item, ConditionExpression, more = {}) => ({
    Put: { TableName: TABLE_NAME, Item, ConditionExpression, ReturnValuesOnConditionCheckFailure: "ALL_OLD", ...more },
  });
  const TransactItems = [
    put({ ...after, last_commit_id }, "version = :version AND #state = :state", {
      ExpressionAttributeNames: { "#state": "state" },
      ExpressionAttributeValues: { ":version": before.version, ":state": before.state },
    }),
    put({ PK: after.PK, SK, type: { S: "event" }, record, last_commit_id }, "attribute_not_exists(PK)"),
  ];
  try {
    await dynamodb.send(new TransactWriteItemsCommand({ TransactItems, ClientRequestToken: commitId }));
  } catch (error) {
    if (error.name !== "TransactionCanceledException") throw error;
    const detail =
      "The deployment was changed by someone else at the same moment. Nothing was done; read it and decide anew.";
    throw new Problem(409, "version_conflict", detail);
  }
}

// The deployment as callers see it.
function view(item) {
  const string = (name) => item[name]?.S ?? null;
  const number = (name) => Number(item[name]?.N ?? 0);
  return {
    id: string("id"),
    tenant_id: string("tenant_id"),
    slug: string("slug"),
    display_name: string("display_name"),
    region: string("region"),
    state: string("state"),
    state_since: string("state_since"),
    llm_mode: string("llm_mode"),
    billing_action_suspended: item.billing_action_suspended.BOOL,
    template_code: string("template_code"),
    template_version: string("template_version"),
    trial_ends_at: string("trial_ends_at"),
    resume_at: string("resume_at"),
    live_resources: number("live_resources"),
    open_invoices: [],
    uncollectible_invoices: number("uncollectible_invoices"),
    next_action: string("next_action"),
    next_action_at: string("next_action_at"),
    version: number("version"),
    created_at: string("created_at"),
    updated_at: string("updated_at"),
  };
}

async function transition(event, principal, id) {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
    throw new Problem(400, "invalid_id", "The path's id must be a UUID.");
  }
  const fields = readFields(event);
  const before = await load(id.toLowerCase(), principal);
  const from = before.state.S;
  const to = fields.to_state;
  const dry_run = fields.dry_run ?? false;
  if (from === to) {
    return { body: { deployment: view(before), event: null, dry_run }, version: before.version.N };
  }
  checkMove(before, to, principal.role);
  // A clock that is behind another's must not make a history's times decrease.
  const now = Math.max(Date.now(), Date.parse(before.updated_at.S));
  checkResumeAt(to, fields.resume_at, now);
  const after = move(before, fields, now);
  const happened = {
    sequence: Number(after.version.N),
    type: "state_changed",
    data: { resume_at: after.resume_at?.S ?? null, subscription: null, dunning_policy: null },
    from_state: from,
    to_state: to,
    reason: fields.reason ?? null,
    actor: principal.subject,
    notes: fields.notes ?? null,
    occurred_at: after.updated_at.S,
  };
  if (!dry_run) await commit(before, after, happened);
  const version = dry_run ? before.version.N : after.version.N;
  return { body: { deployment: view(after), event: happened, dry_run }, version };
}

function log(level, message, fields) {
  const route = "transition_deployment";
  process.stdout.write(`${JSON.stringify({ timestamp: new Date(), level, message, route, ...fields })}\n`);
}

function respond(statusCode, contentType, body, request_id, more = {}) {
  const headers = { "content-type": contentType, "cache-control": "no-store", "x-request-id": request_id, ...more };
  return { statusCode, headers, body: JSON.stringify(body), isBase64Encoded: false };
}

export async function handler(event) {
  const request_id = event.requestContext.requestId;
  const deployment_id = event.pathParameters?.id ?? "";
  let principal;
  try {
    principal = readPrincipal(event);
    const { body, version } = await transition(event, principal, deployment_id);
    log("INFO", "answered", { request_id, deployment_id, actor: principal.subject, status: 200 });
    return respond(200, "application/json", body, request_id, { etag: `"${version}"` });
  } catch (error) {
    const unavailable = "The service is short of capacity for a moment. Send the request again.";
    const problem = error instanceof Problem ? error : new Problem(503, "unavailable", unavailable);
    const { status, code } = problem;
    const [level, message] = status < 500 ? ["INFO", "refused"] : ["ERROR", "failed"];
    const cause = status < 500 ? undefined : `${error.name}: ${error.message}`;
    log(level, message, { request_id, deployment_id, actor: principal?.subject, status, code, error: cause });
    return respond(status, "application/problem+json", problem.body, request_id);
  }
}
