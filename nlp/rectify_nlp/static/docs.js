// The API's documentation, from this service alone.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger",
  validatorUrl: null,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
});
