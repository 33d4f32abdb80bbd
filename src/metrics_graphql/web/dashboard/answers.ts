/** Asks what a view shows, and keeps showing what was answered while the next answer comes. */

import { useEffect, useState } from "react";

import { ask, AskError, type GraphQLFailure } from "../shared/api";
import { type Metrics, type Part, PARTS, type Question, queryOf, questionOf, variablesOf, VIEWER_QUERY, type Viewer } from "./question";
import type { View } from "./view";

const RETRY_SECONDS = 3;
/** Codes of what may be over in a moment. */
const PASSING = new Set(["UNREACHABLE", "UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"]);

/** In how many seconds a question is asked again that met this; 0 is never. */
export function retryIn(error: AskError): number {
  return PASSING.has(error.code) ? Math.max(RETRY_SECONDS, error.retryAfterSeconds) : 0;
}

/** What is known of a question that was asked of the server. */
export interface Asked<Data> {
  data: Data | null;
  error: AskError | null;
  isLoading: boolean;
}

/** An answer of the dashboard, and the question that it answers. */
export interface Shown {
  question: Question;
  metrics: Metrics;
  /** Why parts of it are missing. */
  errors: GraphQLFailure[];
}

/** Somebody who wants to look: each attempt to sign in is another, with the same token, too. */
export interface SignedIn {
  token: string;
  attempt: number;
}

/** Who the token belongs to; null without one. */
export function useViewer({ token, attempt }: SignedIn): Asked<Viewer> {
  return useAnswer(`${attempt} ${token}`, token && "viewer", async (signal) => {
    const { data, errors } = await ask<{ viewer: Viewer }>(token, VIEWER_QUERY, {}, signal);
    if (!data.viewer.organizations) throw missing(errors);
    return data.viewer;
  });
}

/** What a view shows; nothing while it has no organization. */
export function useMetrics({ token, attempt }: SignedIn, view: View): Asked<Shown> {
  // How the bars are split changes nothing about the question.
  const subject = JSON.stringify({ ...view, split: undefined });
  return useAnswer(`${attempt} ${token} ${view.org}`, view.org && subject, async (signal) => {
    const question = questionOf(view, new Date());
    const query = queryOf(Object.keys(PARTS) as Part[], question);
    const { data, errors } = await ask<{ sessionMetrics: Metrics | null }>(token, query, variablesOf(question), signal);
    if (!data.sessionMetrics) throw missing(errors);
    return { question, metrics: data.sessionMetrics, errors };
  });
}

/** Why the field that all is about is null. */
function missing(errors: GraphQLFailure[]): AskError {
  return new AskError(errors[0]?.message ?? "The server did not answer that.", errors[0]?.extensions?.code ?? "INTERNAL");
}

const NOTHING = { data: null, error: null, isLoading: true };

/** Asks about each subject, and again what may pass. What was answered stays while `about` is the same. */
function useAnswer<Data>(about: string, subject: string, fetchIt: (signal: AbortSignal) => Promise<Data>): Asked<Data> {
  const [state, setState] = useState<Asked<Data> & { about: string; subject: string }>({ ...NOTHING, about, subject });
  useEffect(() => {
    if (!subject) {
      setState({ ...NOTHING, isLoading: false, about, subject });
      return;
    }
    const controller = new AbortController();
    let retry = 0;
    const attempt = async () => {
      setState((before) => ({ ...(before.about === about ? before : NOTHING), isLoading: true, about, subject }));
      try {
        const data = await fetchIt(controller.signal);
        if (!controller.signal.aborted) setState({ data, error: null, isLoading: false, about, subject });
      } catch (reason) {
        if (controller.signal.aborted) return;
        const error = reason instanceof AskError ? reason : new AskError(String(reason), "INTERNAL");
        setState((before) => ({ ...before, error, isLoading: false }));
        if (retryIn(error)) retry = window.setTimeout(attempt, retryIn(error) * 1000);
      }
    };
    void attempt();
    return () => {
      controller.abort();
      clearTimeout(retry);
    };
    // `fetchIt` is a new function at each rendering, and asks the same as long as these are.
  }, [about, subject]);
  if (state.about !== about) return NOTHING;
  // From the first moment of a new subject on, what is there is of the old one.
  return { ...state, isLoading: state.isLoading || state.subject !== subject };
}
