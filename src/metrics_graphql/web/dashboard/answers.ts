/** Asks what a view shows, and keeps showing what was answered while the next answer comes. */

import { useEffect, useState } from "react";

import { ask, AskError, type GraphQLFailure } from "../shared/api";
import { type Metrics, type Part, PARTS, type Question, queryOf, questionOf, variablesOf, VIEWER_QUERY, type Viewer } from "./question";
import type { View } from "./view";

const RETRY_MILLISECONDS = 3000;
/** Codes of what may be over in a moment. */
const PASSING = new Set(["UNREACHABLE", "UNAVAILABLE", "TIMEOUT"]);

/** What is known of a question that was asked of the server. */
export interface Asked<Data> {
  data: Data | null;
  error: AskError | null;
  isLoading: boolean;
}

/** An answer of the dashboard, and the question that it answers. */
export interface Shown {
  question: Question;
  metrics: Metrics | null;
  errors: GraphQLFailure[];
}

/** Who the token belongs to; null without one. */
export function useViewer(token: string): Asked<Viewer> {
  return useAnswer(token, token && VIEWER_QUERY, async (signal) => {
    const { data } = await ask<{ viewer: Viewer }>(token, VIEWER_QUERY, {}, signal);
    return data.viewer;
  });
}

/** What a view shows; nothing while it has no organization. */
export function useMetrics(token: string, view: View): Asked<Shown> {
  // How the bars are split changes nothing about the question.
  const subject = JSON.stringify({ ...view, split: undefined });
  return useAnswer(token, view.org && subject, async (signal) => {
    const question = questionOf(view, new Date());
    const query = queryOf(Object.keys(PARTS) as Part[], question);
    const { data, errors } = await ask<{ sessionMetrics: Metrics | null }>(token, query, variablesOf(question), signal);
    return { question, metrics: data.sessionMetrics, errors };
  });
}

/** Asks whenever the token or the subject changes, and again while the server is away. */
function useAnswer<Data>(token: string, subject: string, fetchIt: (signal: AbortSignal) => Promise<Data>): Asked<Data> {
  const [state, setState] = useState<Asked<Data> & { token: string }>({ data: null, error: null, isLoading: true, token });
  useEffect(() => {
    if (!subject) {
      setState({ data: null, error: null, isLoading: false, token });
      return;
    }
    const controller = new AbortController();
    let retry = 0;
    const attempt = async () => {
      setState((before) => ({ ...before, data: before.token === token ? before.data : null, isLoading: true, token }));
      try {
        const data = await fetchIt(controller.signal);
        setState({ data, error: null, isLoading: false, token });
      } catch (reason) {
        if (controller.signal.aborted) return;
        const error = reason instanceof AskError ? reason : new AskError(String(reason), "INTERNAL");
        setState((before) => ({ ...before, error, isLoading: false }));
        if (PASSING.has(error.code)) retry = window.setTimeout(attempt, RETRY_MILLISECONDS);
      }
    };
    void attempt();
    return () => {
      controller.abort();
      clearTimeout(retry);
    };
    // `fetchIt` is a new function at each rendering, and asks the same as long as these are.
  }, [token, subject]);
  return state;
}
