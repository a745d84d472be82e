// A real authorization server: node oidc_server.mjs FOLDER, where FOLDER/node_modules has oidc-provider.
// Prints {"port": ...} and serves until its standard input ends.
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const entry = path.join(process.argv[2], "node_modules/oidc-provider/lib/index.js");
const { default: Provider } = await import(pathToFileURL(entry));

const account = "https://api.openai.com/auth";
const server = http.createServer();
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address();
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [
      {
        client_id: "router",
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        redirect_uris: ["http://localhost/auth/callback"],
        response_types: ["code"],
      },
    ],
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    pkce: { required: () => true },
    scopes: ["openid", "email", "offline_access", "profile", "model.completion"],
    claims: { openid: ["sub", account], email: ["email"] },
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, [account]: { chatgpt_account_id: `acc-${id}` } }),
    }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    ttl: { DeviceCode: 60, AccessToken: 3600 },
    cookies: { keys: ["not a secret"] },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ port }));
});
process.stdin.resume().on("end", () => process.exit(0));
