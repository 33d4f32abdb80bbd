/** The charts: sessions over time, the share that was merged, and what sessions cost. */

import type { EChartsCoreOption } from "echarts/core";
import type { CSSProperties } from "react";

import { Card } from "./Card";
import { Chart, type Colors } from "./Chart";
import { bucketLabel, bucketStart } from "./period";
import { type Bucket, type BySize, ORIGINS, type Question, SIZES } from "./question";
import { percent } from "./Ranking";
import type { Split } from "./view";

const ORIGIN_NAMES = {
  webapp: "Web app",
  slack: "Slack",
  api: "API",
  linear: "Linear",
  jira: "Jira",
  teams: "Teams",
  desktop: "Desktop",
  automation: "Automation",
};
const SIZE_NAMES = { xs: "XS", s: "S", m: "M", l: "L", xl: "XL" };
const MERGED = "With merged PRs";

/** A part of each bucket's sessions. */
interface Stack {
  name: string;
  values: number[];
}

export function OverTime(props: { buckets: Bucket[]; question: Question; split: Split; onSplit: (split: Split) => void }) {
  const { buckets, question, split } = props;
  const stacks = split === "origin" ? byOrigin(buckets) : bySize(buckets);
  const table = {
    head: ["From", "Sessions", ...stacks.map(({ name }) => name), MERGED],
    rows: buckets.map((bucket, at) => [
      bucketStart(bucket.period.startsAt, question.interval),
      bucket.sessionsCreatedCount,
      ...stacks.map(({ values }) => values[at]!),
      bucket.sessionsWithMergedPrsCount,
    ]),
  };
  const draw = (colors: Colors): EChartsCoreOption => ({
    ...timeAxis(buckets, question, colors),
    yAxis: valueAxis(colors),
    series: [
      ...stacks.map(({ name, values }, at) => ({
        name,
        type: "bar",
        stack: "sessions",
        barCategoryGap: "28%",
        data: values,
        itemStyle: { color: colors[colorOf(split, at)] },
      })),
      {
        name: MERGED,
        type: "line",
        smooth: 0.3,
        smoothMonotone: "x",
        symbol: "none",
        data: buckets.map((bucket) => bucket.sessionsWithMergedPrsCount),
        lineStyle: { width: 2.5, color: colors.text },
        itemStyle: { color: colors.text },
      },
    ],
  });
  const label = `Sessions over time by ${split}, stacked, and those with merged pull requests as a line.`;
  return (
    <Card
      title="Sessions over time"
      hint={`By ${question.interval.toLowerCase()}, with those that ended in merged pull requests`}
      part="overTime"
      question={question}
      table={table}
      controls={
        <div className="segments" role="group" aria-label="Split">
          {(["origin", "size"] as const).map((each) => (
            <button key={each} aria-pressed={split === each} onClick={() => props.onSplit(each)}>
              By {each}
            </button>
          ))}
        </div>
      }
    >
      <ul className="legend" aria-hidden="true">
        {stacks.map(({ name }, at) => (
          <li key={name} style={{ "--swatch": `var(--${colorOf(split, at)})` } as CSSProperties}>
            {name}
          </li>
        ))}
        <li className="as-line">{MERGED}</li>
      </ul>
      <Chart of={buckets} label={label} height={300} draw={draw} />
    </Card>
  );
}

export function MergedBySize({ created, merged, question }: { created: BySize; merged: BySize; question: Question }) {
  const share = (size: keyof BySize) => (created[size] ? merged[size] / created[size] : 0);
  const table = {
    head: ["Size", "Sessions", MERGED, "Share"],
    rows: SIZES.map((size) => [SIZE_NAMES[size], created[size], merged[size], share(size)]),
    shares: 3,
  };
  const draw = (colors: Colors): EChartsCoreOption => ({
    grid: { left: 36, right: 44, top: 8, bottom: 8 },
    tooltip: { ...tooltip(colors), trigger: "axis", valueFormatter: (value: unknown) => percent(Number(value)) },
    xAxis: { type: "value", show: false, max: 1 },
    yAxis: {
      type: "category",
      inverse: true,
      data: SIZES.map((size) => SIZE_NAMES[size]),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { color: colors.muted, fontWeight: 600 },
    },
    series: [
      {
        name: "Share with merged PRs",
        type: "bar",
        barWidth: 18,
        showBackground: true,
        backgroundStyle: { color: colors.line, borderRadius: 9 },
        data: SIZES.map((size, at) => ({ value: share(size), itemStyle: { color: colors[colorOf("size", at)], borderRadius: 9 } })),
        label: { show: true, position: "right", color: colors.text, fontWeight: 600, formatter: ({ value }: { value: number }) => percent(value) },
      },
    ],
  });
  return (
    <Card title="Merged, by size" hint="Share of sessions with at least one merged pull request" part="merged" question={question} table={table}>
      <Chart of={created} label="Share of sessions with merged pull requests, by size." draw={draw} height={220} />
    </Card>
  );
}

export function AcusOverTime({ buckets, question }: { buckets: Bucket[]; question: Question }) {
  const table = {
    head: ["From", "ACUs per session"],
    rows: buckets.map((bucket) => [bucketStart(bucket.period.startsAt, question.interval), averageOf(bucket) ?? ""]),
  };
  const draw = (colors: Colors): EChartsCoreOption => ({
    ...timeAxis(buckets, question, colors),
    yAxis: valueAxis(colors),
    series: [
      {
        name: "ACUs per session",
        type: "line",
        smooth: 0.3,
        smoothMonotone: "x",
        symbol: "none",
        data: buckets.map(averageOf),
        lineStyle: { width: 2.5, color: colors.accent },
        itemStyle: { color: colors.accent },
        areaStyle: { color: colors.accent, opacity: 0.12 },
      },
    ],
  });
  return (
    <Card title="ACUs per session" hint={`Average by ${question.interval.toLowerCase()}`} part="acus" question={question} table={table}>
      <Chart of={buckets} label="Average ACUs per session over time." draw={draw} height={220} />
    </Card>
  );
}

/** A bucket without sessions has no average. */
function averageOf(bucket: Bucket): number | null {
  return bucket.sessionsCreatedCount ? bucket.avgAcusPerSession : null;
}

function byOrigin(buckets: Bucket[]): Stack[] {
  const named = ORIGINS.map((origin) => ({ name: ORIGIN_NAMES[origin], values: buckets.map((bucket) => bucket.sessionsCreatedByOrigin[origin]) }));
  return [...named, rest("Elsewhere", buckets, named)];
}

function bySize(buckets: Bucket[]): Stack[] {
  const named = SIZES.map((size) => ({ name: SIZE_NAMES[size], values: buckets.map((bucket) => bucket.sessionsCreatedBySize[size]) }));
  return [...named, rest("No size", buckets, named)];
}

/** The name of the colour of a stack. */
function colorOf(split: Split, at: number): string {
  if (split === "origin") return at < ORIGINS.length ? `series-${at + 1}` : "rest";
  return at < SIZES.length ? `size-${at + 1}` : "rest";
}

/** What is in the totals and in no category, so that a stack is as high as the total. */
function rest(name: string, buckets: Bucket[], named: Stack[]): Stack {
  const sum = (at: number) => named.reduce((total, { values }) => total + values[at]!, 0);
  return { name, values: buckets.map((bucket, at) => bucket.sessionsCreatedCount - sum(at)) };
}

function timeAxis(buckets: Bucket[], { interval }: Question, colors: Colors): EChartsCoreOption {
  return {
    grid: { left: 8, right: 12, top: 16, bottom: 8, outerBoundsMode: "same" },
    tooltip: { ...tooltip(colors), trigger: "axis", axisPointer: { type: "shadow" } },
    xAxis: {
      type: "category",
      data: buckets.map(({ period }) => bucketLabel(period.startsAt, interval)),
      axisLine: { lineStyle: { color: colors.line } },
      axisTick: { show: false },
      axisLabel: { color: colors.muted, hideOverlap: true },
    },
  };
}

function valueAxis(colors: Colors) {
  return { type: "value", splitLine: { lineStyle: { color: colors.line } }, axisLabel: { color: colors.muted } };
}

function tooltip(colors: Colors) {
  return { confine: true, renderMode: "richText", backgroundColor: colors.card, borderColor: colors.line, textStyle: { color: colors.text } };
}
