/** GraphiQL with a token field and example queries. */

import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./explorer.css";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { useGraphiQLActions } from "@graphiql/react";
import { GraphiQL } from "graphiql";
import { type ExecutionResult, GraphQLError } from "graphql";
import { useState } from "react";
import { createRoot } from "react-dom/client";

import { execute, post } from "../shared/api";
import { readToken, storeToken } from "../shared/token";
import { EXAMPLES, exampleVariables, ORGANIZATION_DOCUMENT } from "./examples";
import { fixTabRoles } from "./tabRoles";

/** Whether the server rejects all other documents, introspection included. */
const TRUSTED_DOCUMENTS_ONLY = document.querySelector<HTMLMetaElement>("meta[name=trusted-documents-only]")!.content === "true";

/** Sends the editor's requests with the current token. */
async function fetcher(request: object): Promise<ExecutionResult> {
  // The endpoint requires a token, for introspection too.
  if (!readToken()) return { errors: [new GraphQLError("Enter the token of a service user at the top right.")] };
  // GraphiQL displays errors as well as data.
  return (await post(readToken(), request)).json();
}

function TokenField() {
  const [token, setToken] = useState(readToken);
  const { introspect } = useGraphiQLActions();
  // Introspection requires a token, and runs again with a new one.
  const [appliedToken, setAppliedToken] = useState(token);
  const applyToken = () => {
    if (token === appliedToken) return;
    setAppliedToken(token);
    if (!token) signOut();
    else if (wasSignedOut) reloadExamples();
    else if (!TRUSTED_DOCUMENTS_ONLY) void introspect();
  };
  return (
    <label className="token-field">
      Token
      <input
        type="password"
        autoComplete="off"
        spellCheck={false}
        placeholder="cog_…"
        value={token}
        onChange={(event) => {
          setToken(event.target.value);
          storeToken(event.target.value.trim());
        }}
        onBlur={applyToken}
        onKeyDown={(event) => event.key === "Enter" && applyToken()}
      />
    </label>
  );
}

const PLACEHOLDER_ORG = "org-example";

/** Returns the first organization that the token may read, or a placeholder. */
async function firstOrganization(): Promise<string> {
  if (!readToken()) return PLACEHOLDER_ORG;
  try {
    const { data } = await execute<ViewerData>(readToken(), { query: ORGANIZATION_DOCUMENT, variables: {} }, AbortSignal.timeout(2000));
    return data.viewer.organizations?.[0]?.id ?? PLACEHOLDER_ORG;
  } catch {
    return PLACEHOLDER_ORG;
  }
}

interface ViewerData {
  viewer: { organizations: { id: string }[] | null };
}

/** Clears the tabs and the history, and reloads the page: the open editor would store them again. */
function signOut(): void {
  addEventListener("pagehide", () => storeToken(""));
  location.reload();
}

/** Reloads the page, for examples with an organization that the new token may read. */
function reloadExamples(): void {
  const stored = JSON.parse(localStorage.getItem(TABS_KEY) ?? "{}") as { tabs?: { query: string }[] };
  // Edited tabs are preserved.
  if (stored.tabs?.every(({ query }) => EXAMPLES.includes(query))) localStorage.removeItem(TABS_KEY);
  location.reload();
}

const TABS_KEY = "graphiql:tabState";
const wasSignedOut = !readToken();
// GraphiQL reads its initial query only once.
addEventListener("hashchange", () => location.reload());

const plugins = [HISTORY_PLUGIN, explorerPlugin()];
const urlParams = new URLSearchParams(location.hash.slice(1));
const variables = exampleVariables(urlParams.has("query") ? PLACEHOLDER_ORG : await firstOrganization());
const examples = EXAMPLES.map((query) => ({ query, variables }));

function Explorer() {
  return (
    <GraphiQL
      {...(TRUSTED_DOCUMENTS_ONLY && { schema: null })}
      fetcher={fetcher}
      plugins={plugins}
      defaultTabs={examples}
      isHeadersEditorEnabled={false}
      shouldPersistHeaders={false}
      {...(urlParams.has("query") && {
        initialQuery: urlParams.get("query") ?? "",
        initialVariables: urlParams.get("variables") ?? "",
      })}
    >
      <GraphiQL.Logo>
        <a className="back" href="./">
          Dashboard
        </a>
        <TokenField />
      </GraphiQL.Logo>
    </GraphiQL>
  );
}

const page = document.getElementById("page")!;
fixTabRoles(page);
createRoot(page).render(
  <>
    {TRUSTED_DOCUMENTS_ONLY && (
      <p className="notice" role="note">
        This server executes trusted documents only: the examples, the documents of the dashboard, and those of its operator. It rejects other documents and
        introspection, so the editor cannot complete names.
      </p>
    )}
    <Explorer />
  </>,
);
