/** GraphiQL, with a field for the token and examples to start from. */

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

import { ask, post } from "../shared/api";
import { keepToken, readToken } from "../shared/token";
import { EXAMPLES, exampleVariables } from "./examples";
import { mendTabs } from "./tabs";

/** Sends what the editor asks, with the token that is in the field at that moment. */
async function fetcher(parameters: object): Promise<ExecutionResult> {
  // Everything needs one: asking without would only fail.
  if (!readToken()) return { errors: [new GraphQLError("Give the token of a service user, at the top right.")] };
  // Whatever it is, the editor shows it.
  return (await post(readToken(), parameters)).json();
}

function TokenField() {
  const [token, setToken] = useState(readToken);
  const { introspect } = useGraphiQLActions();
  // The schema is asked for with the token, too: again once there is another.
  const [asked, setAsked] = useState(token);
  const again = () => {
    if (token === asked) return;
    setAsked(token);
    if (wasSignedOut && token) startAgain();
    else void introspect();
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
          keepToken(event.target.value.trim());
        }}
        onBlur={again}
        onKeyDown={(event) => event.key === "Enter" && again()}
      />
    </label>
  );
}

const NOBODYS = "org-example";

/** An organization to ask about: the first that may be read, if any may. */
async function someOrganization(): Promise<string> {
  if (!readToken()) return NOBODYS;
  try {
    const query = "{ viewer { organizations(first: 1) { id } } }";
    const { data } = await ask<Viewing>(readToken(), query, {}, AbortSignal.timeout(2000));
    return data.viewer.organizations?.[0]?.id ?? NOBODYS;
  } catch {
    return NOBODYS;
  }
}

interface Viewing {
  viewer: { organizations: { id: string }[] | null };
}

/** Opens the page anew, with examples about an organization that the new token may read. */
function startAgain(): void {
  const stored = JSON.parse(localStorage.getItem(TABS) ?? "{}") as { tabs?: { query: string }[] };
  // What was written by hand stays.
  if (stored.tabs?.every(({ query }) => EXAMPLES.includes(query))) localStorage.removeItem(TABS);
  location.reload();
}

const TABS = "graphiql:tabState";
const wasSignedOut = !readToken();
// Another question in the address is another page.
addEventListener("hashchange", () => location.reload());

const plugins = [HISTORY_PLUGIN, explorerPlugin()];
const question = new URLSearchParams(location.hash.slice(1));
const variables = exampleVariables(question.has("query") ? NOBODYS : await someOrganization());
const examples = EXAMPLES.map((query) => ({ query, variables }));

function Explorer() {
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      defaultTabs={examples}
      isHeadersEditorEnabled={false}
      shouldPersistHeaders={false}
      {...(question.has("query") && {
        initialQuery: question.get("query") ?? "",
        initialVariables: question.get("variables") ?? "",
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
mendTabs(page);
createRoot(page).render(<Explorer />);
