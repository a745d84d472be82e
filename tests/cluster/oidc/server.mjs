// An authorization server with one login. Prints its port and first refresh token, then a line for each event.
import { Provider } from "oidc-provider";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const CLIENT = "test-client";
const provider = new Provider("http://127.0.0.1", {
  clients: [
    {
      client_id: CLIENT,
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: ["http://127.0.0.1/callback"],
    },
  ],
  cookies: { keys: ["only for tests"] },
  features: { devInteractions: { enabled: false } },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  rotateRefreshToken: true,
  ttl: { AccessToken: 3600, RefreshToken: 86400, Grant: 86400, IdToken: 3600 },
});
for (const name of ["grant.success", "grant.error", "grant.revoked"]) {
  provider.on(name, (ctx, error) => say({ event: name, error: error?.error_description }));
}
const client = await provider.Client.find(CLIENT);
const grant = new provider.Grant({ accountId: "someone", clientId: CLIENT });
grant.addOIDCScope("openid offline_access");
const grantId = await grant.save();
const token = new provider.RefreshToken({
  accountId: "someone",
  client,
  grantId,
  gty: "authorization_code",
  scope: "openid offline_access",
});
const refresh = await token.save();
const server = provider.listen(0, "127.0.0.1", () => say({ port: server.address().port, refresh }));
