/** The cards with charts: sessions over time, merged by size, and ACUs per session. */

import type { EChartsCoreOption } from "echarts/core";
import type { CSSProperties } from "react";

import { Card } from "./Card";
import { Chart, type Colors } from "./Chart";
import { type Bucket, type BySize, type MetricsQuery, ORIGINS, SIZES } from "./metricsQuery";
import { bucketLabel, bucketStart } from "./period";
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

/** The sessions of one origin or size in each bucket. */
interface Series {
  name: string;
  values: number[];
}

export function OverTimeCard(props: { buckets: Bucket[]; query: MetricsQuery; split: Split; onSplit: (split: Split) => void }) {
  const { buckets, query, split } = props;
  const stacked = split === "origin" ? byOrigin(buckets) : bySize(buckets);
  const table = {
    head: ["From", "Sessions", ...stacked.map(({ name }) => name), MERGED],
    rows: buckets.map((bucket, index) => [
      bucketStart(bucket.period.startsAt, query.interval),
      bucket.sessionsCreatedCount,
      ...stacked.map(({ values }) => values[index]!),
      bucket.sessionsWithMergedPrsCount,
    ]),
  };
  const buildOption = (colors: Colors): EChartsCoreOption => ({
    ...timeAxis(buckets, query, colors),
    yAxis: valueAxis(colors),
    series: [
      ...stacked.map(({ name, values }, index) => ({
        name,
        type: "bar",
        stack: "sessions",
        barCategoryGap: "28%",
        data: values,
        itemStyle: { color: colors[colorOf(split, index)] },
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
      id="overTime"
      title="Sessions over time"
      subtitle={`By ${query.interval.toLowerCase()}, and sessions with merged pull requests as a line`}
      query={query}
      table={table}
      controls={
        <div className="segments" role="group" aria-label="Split">
          {(["origin", "size"] as const).map((option) => (
            <button key={option} aria-pressed={split === option} onClick={() => props.onSplit(option)}>
              By {option}
            </button>
          ))}
        </div>
      }
    >
      <ul className="legend" aria-hidden="true">
        {stacked.map(({ name }, index) => (
          <li key={name} style={{ "--swatch": `var(--${colorOf(split, index)})` } as CSSProperties}>
            {name}
          </li>
        ))}
        <li className="line-series">{MERGED}</li>
      </ul>
      <Chart data={buckets} label={label} height={300} buildOption={buildOption} />
    </Card>
  );
}

export function MergedCard({ created, merged, query }: { created: BySize; merged: BySize; query: MetricsQuery }) {
  const share = (size: keyof BySize) => (created[size] ? merged[size] / created[size] : 0);
  const table = {
    head: ["Size", "Sessions", MERGED, "Share"],
    rows: SIZES.map((size) => [SIZE_NAMES[size], created[size], merged[size], share(size)]),
    percentColumn: 3,
  };
  const buildOption = (colors: Colors): EChartsCoreOption => ({
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
        data: SIZES.map((size, index) => ({ value: share(size), itemStyle: { color: colors[colorOf("size", index)], borderRadius: 9 } })),
        label: { show: true, position: "right", color: colors.text, fontWeight: 600, formatter: ({ value }: { value: number }) => percent(value) },
      },
    ],
  });
  return (
    <Card id="merged" title="Merged, by size" subtitle="Share of sessions with at least one merged pull request" query={query} table={table}>
      <Chart data={created} label="Share of sessions with merged pull requests, by size." buildOption={buildOption} height={220} />
    </Card>
  );
}

export function AcusCard({ buckets, query }: { buckets: Bucket[]; query: MetricsQuery }) {
  const table = {
    head: ["From", "ACUs per session"],
    rows: buckets.map((bucket) => [bucketStart(bucket.period.startsAt, query.interval), averageOf(bucket) ?? ""]),
  };
  const buildOption = (colors: Colors): EChartsCoreOption => ({
    ...timeAxis(buckets, query, colors),
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
    <Card id="acus" title="ACUs per session" subtitle={`Average by ${query.interval.toLowerCase()}`} query={query} table={table}>
      <Chart data={buckets} label="Average ACUs per session over time." buildOption={buildOption} height={220} />
    </Card>
  );
}

/** Returns null for a bucket without sessions, which has no average. */
function averageOf(bucket: Bucket): number | null {
  return bucket.sessionsCreatedCount ? bucket.avgAcusPerSession : null;
}

function byOrigin(buckets: Bucket[]): Series[] {
  const named = ORIGINS.map((origin) => ({ name: ORIGIN_NAMES[origin], values: buckets.map((bucket) => bucket.sessionsCreatedByOrigin[origin]) }));
  return [...named, remainder("Other", buckets, named)];
}

function bySize(buckets: Bucket[]): Series[] {
  const named = SIZES.map((size) => ({ name: SIZE_NAMES[size], values: buckets.map((bucket) => bucket.sessionsCreatedBySize[size]) }));
  return [...named, remainder("No size", buckets, named)];
}

/** Returns the custom property of the colour of a series. */
function colorOf(split: Split, index: number): string {
  if (split === "origin") return index < ORIGINS.length ? `series-${index + 1}` : "other";
  return index < SIZES.length ? `size-${index + 1}` : "other";
}

/** Returns the sessions in none of the named series, so that a stack adds up to the total. */
function remainder(name: string, buckets: Bucket[], named: Series[]): Series {
  const sum = (index: number) => named.reduce((total, { values }) => total + values[index]!, 0);
  return { name, values: buckets.map((bucket, index) => bucket.sessionsCreatedCount - sum(index)) };
}

function timeAxis(buckets: Bucket[], { interval }: MetricsQuery, colors: Colors): EChartsCoreOption {
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
