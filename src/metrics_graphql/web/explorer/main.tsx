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

import { ask, GRAPHQL_URL } from "../shared/api";
import { keepToken, readToken } from "../shared/token";
import { EXAMPLES, exampleVariables } from "./examples";

/** Sends what the editor asks, with the token that is in the field at that moment. */
async function fetcher(parameters: object): Promise<ExecutionResult> {
  // Everything needs one: asking without would only fail.
  if (!readToken()) return { errors: [new GraphQLError("Give the token of a service user, at the top right.")] };
  const response = await fetch(GRAPHQL_URL, {
    method: "POST",
    headers: {
      Accept: "application/graphql-response+json",
      "Content-Type": "application/json",
      Authorization: `Bearer ${readToken()}`,
    },
    body: JSON.stringify(parameters),
  });
  // Whatever it is, the editor shows it.
  return response.json();
}

function TokenField() {
  const [token, setToken] = useState(readToken);
  const { introspect } = useGraphiQLActions();
  // The schema is asked for with the token, too: again once there is another.
  const again = () => void introspect();
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

/** An organization to ask about: the first that may be read, if any may. */
async function someOrganization(): Promise<string> {
  const nobodys = "org-example";
  if (!readToken()) return nobodys;
  try {
    const query = "{ viewer { organizations(first: 1) { id } } }";
    const { data } = await ask<Viewing>(readToken(), query, {}, AbortSignal.timeout(2000));
    return data.viewer.organizations?.[0]?.id ?? nobodys;
  } catch {
    return nobodys;
  }
}

interface Viewing {
  viewer: { organizations: { id: string }[] | null };
}

const plugins = [HISTORY_PLUGIN, explorerPlugin()];
const asked = new URLSearchParams(location.hash.slice(1));
const variables = exampleVariables(await someOrganization());
const examples = EXAMPLES.map((query) => ({ query, variables }));

function Explorer() {
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      defaultTabs={examples}
      isHeadersEditorEnabled={false}
      shouldPersistHeaders={false}
      {...(asked.has("query") && {
        initialQuery: asked.get("query") ?? "",
        initialVariables: asked.get("variables") ?? "",
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

createRoot(document.getElementById("page")!).render(<Explorer />);
