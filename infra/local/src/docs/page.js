// The banner's link has a token after the #, which browsers do not send. Remove it from the URL immediately.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", location.pathname);
}

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  onComplete: () => {
    if (token) {
      // Unlike preauthorizeApiKey, this stores the token for the next visit.
      const schema = { type: "http", scheme: "bearer" };
      ui.authActions.authorizeWithPersistOption({ token: { name: "token", schema, value: token } });
    }
  },
});
