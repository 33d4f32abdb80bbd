/** GraphiQL with a token field and example queries. */

import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./explorer.css";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { GraphiQL } from "graphiql";
import { type ExecutionResult, GraphQLError } from "graphql";
import { createRoot } from "react-dom/client";

import { execute, post, readToken, storeToken } from "../shared/api";
import { EXAMPLES, exampleVariables, ORGANIZATION_DOCUMENT } from "./examples";

/** Whether the server rejects all other documents, introspection included. */
const TRUSTED_DOCUMENTS_ONLY = document.querySelector<HTMLMetaElement>("meta[name=trusted-documents-only]")!.content === "true";

async function fetcher(request: object): Promise<ExecutionResult> {
  // The endpoint requires a token, for introspection too.
  if (!readToken()) return { errors: [new GraphQLError("Enter the token of a service user at the top right.")] };
  // GraphiQL displays errors as well as data.
  return (await post(request)).json();
}

const TABS_KEY = "graphiql:tabState";
const loadedToken = readToken();

/** Reloads the page with another token, for introspection and for examples with an organization that it may read. */
function applyToken(): void {
  if (readToken() === loadedToken) return;
  const stored = JSON.parse(localStorage.getItem(TABS_KEY) ?? "{}") as { tabs?: { query: string }[] };
  // Edited tabs are preserved.
  if (stored.tabs?.every(({ query }) => EXAMPLES.includes(query))) localStorage.removeItem(TABS_KEY);
  // Signing out clears the tabs and the history, and the open editor would store them again.
  if (!readToken()) addEventListener("pagehide", () => storeToken(""));
  location.reload();
}

const PLACEHOLDER_ORG = "org-example";

/** Returns the first organization that the token may read, or a placeholder. */
async function firstOrganization(): Promise<string> {
  try {
    const select = (data: { viewer: { organizations: { id: string }[] | null } }) => data.viewer.organizations?.[0];
    return (await execute({ query: ORGANIZATION_DOCUMENT, variables: {} }, AbortSignal.timeout(2000), select)).field.id;
  } catch {
    return PLACEHOLDER_ORG;
  }
}

/** Makes GraphiQL's tabs a list of buttons, one of them current: screen readers can't reach the close button in a tab. */
function fixTabRoles(): void {
  page.querySelector("[role=tablist]")?.removeAttribute("role");
  for (const tab of page.querySelectorAll(".graphiql-tab[aria-selected]")) {
    tab.querySelector(".graphiql-tab-button")?.setAttribute("aria-current", tab.getAttribute("aria-selected")!);
    tab.removeAttribute("aria-selected");
    tab.removeAttribute("role");
  }
}

// GraphiQL reads its initial query only once.
addEventListener("hashchange", () => location.reload());
const page = document.getElementById("page")!;
// React restores the roles when another tab is selected.
new MutationObserver(fixTabRoles).observe(page, { subtree: true, childList: true, attributeFilter: ["aria-selected", "role"] });

const urlParams = new URLSearchParams(location.hash.slice(1));
const variables = exampleVariables(urlParams.has("query") ? PLACEHOLDER_ORG : await firstOrganization());
const initial = { initialQuery: urlParams.get("query") ?? "", initialVariables: urlParams.get("variables") ?? "" };

createRoot(page).render(
  <>
    {TRUSTED_DOCUMENTS_ONLY && (
      <p className="notice" role="note">
        This server executes trusted documents only: the examples, the documents of the dashboard, and those of its operator. It rejects other documents and
        introspection, so the editor cannot complete names.
      </p>
    )}
    <GraphiQL
      {...(TRUSTED_DOCUMENTS_ONLY && { schema: null })}
      fetcher={fetcher}
      plugins={[HISTORY_PLUGIN, explorerPlugin()]}
      defaultTabs={EXAMPLES.map((query) => ({ query, variables }))}
      isHeadersEditorEnabled={false}
      shouldPersistHeaders={false}
      {...(urlParams.has("query") && initial)}
    >
      <GraphiQL.Logo>
        <a className="back" href="./">
          Dashboard
        </a>
        <label className="token-field">
          Token
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            placeholder="cog_…"
            defaultValue={loadedToken}
            onChange={(event) => storeToken(event.target.value.trim())}
            onBlur={applyToken}
            onKeyDown={(event) => event.key === "Enter" && applyToken()}
          />
        </label>
      </GraphiQL.Logo>
    </GraphiQL>
  </>,
);
