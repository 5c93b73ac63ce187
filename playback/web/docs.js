// A reader of /openapi.json: every operation with its parameters, body and answers.

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function schemaText(content, schemas) {
  const schema = content?.["application/json"]?.schema;
  const name = schema?.$ref?.split("/").pop();
  return schema ? JSON.stringify(name ? schemas[name] : schema, null, 2) : "";
}

function operation(method, path, described, schemas) {
  const block = element("details", "", "operation");
  const head = element("summary", "");
  head.append(element("span", method.toUpperCase(), `method ${method}`), element("code", path));
  head.append(element("span", described.summary ?? "", "faint"));
  block.append(head);
  if (described.description) block.append(element("p", described.description));
  const body = schemaText(described.requestBody?.content, schemas);
  if (body) block.append(element("h3", "Body"), element("pre", body));
  block.append(element("h3", "Answers"));
  for (const [status, answer] of Object.entries(described.responses)) {
    block.append(element("p", `${status}: ${answer.description}`));
    const text = schemaText(answer.content, schemas);
    if (text && status.startsWith("2")) block.append(element("pre", text));
  }
  return block;
}

const document_ = await (await fetch("/openapi.json")).json();
const schemas = document_.components?.schemas ?? {};
const operations = Object.entries(document_.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, described]) => operation(method, path, described, schemas)),
);
document.getElementById("operations").replaceChildren(...operations);
