// The loop that asks Lambda's runtime API for events. Lambda's own client for Node does more and compiles native code
// when it is installed. This one does only what is necessary, which can only make the function faster.

import http from "node:http";

import { handler } from "./handler.mjs";

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function request(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const sent = http.request({ agent, hostname, port, method, path: `/2018-06-01/runtime/${path}`, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

async function run() {
  for (;;) {
    const { headers, body } = await request("GET", "invocation/next");
    const id = headers["lambda-runtime-aws-request-id"];
    try {
      const answer = await handler(JSON.parse(body));
      await request("POST", `invocation/${id}/response`, JSON.stringify(answer));
    } catch (error) {
      const { name, message, stack } = error;
      const told = JSON.stringify({ errorType: name, errorMessage: message, stackTrace: stack.split("\n") });
      await request("POST", `invocation/${id}/error`, told);
    }
  }
}

run();
