/** The cards with charts: sessions over time, and ACUs per session. */

import type { EChartsCoreOption } from "echarts/core";

import { Card } from "./Card";
import { Chart, type Colors } from "./Chart";
import { useResult } from "./context";
import { formatAverage, formatNumber, ORIGIN_NAMES, SIZE_NAMES } from "./measures";
import type { Bucket } from "./metricsQuery";
import { bucketFormat, bucketStart, COMPARISONS, DAY, formatShortRange, HOUR, type Interval, isMaturing, MATURING_DAYS } from "./period";
import { Swatch } from "./Swatch";
import { type Split, toggleFilter } from "./view";

const MERGED = "With merged PRs";

/** The sessions of one origin or size in each bucket. */
interface Series {
  /** The origin or size. */
  id: string;
  name: string;
  values: number[];
}

/** A parameter of ECharts' tooltip formatter. */
interface TooltipItem {
  seriesIndex: number;
  seriesName: string;
  seriesType: string;
  marker: string;
  value: number | null;
  dataIndex: number;
}

/** The splits of sessions: the filter by their values, the field of a bucket, and the names of the values. */
const SPLITS = {
  origin: { filter: "origins", field: "sessionsCreatedByOrigin", names: ORIGIN_NAMES },
  size: { filter: "sizes", field: "sessionsCreatedBySize", names: SIZE_NAMES },
} as const;

export function OverTimeCard() {
  const { view, changeView, result } = useResult();
  const { split, zone } = view;
  const { filter } = SPLITS[split];
  const { interval } = result.query.variables;
  const unit = interval.toLowerCase();
  const buckets = result.data.metrics.timeSeries ?? [];
  const before = result.data.previous?.timeSeries ?? [];
  const isComparable = isAligned(buckets, before, interval);
  const previous = view.overlay && isComparable ? counterparts(buckets, before, interval, zone) : [];
  const stacked = seriesOf(split, buckets);
  const firstMaturing = buckets.findIndex(({ period }) => isMaturing(new Date(period.endsAt), result.fetchedAt));
  const merged = buckets.map((bucket) => bucket.sessionsWithMergedPrsCount);
  const previousName = `Sessions, ${formatShortRange(result.query.previous, zone)}`;
  const buildTable = () => ({
    head: ["From", "Sessions", ...stacked.map(({ name }) => name), MERGED, ...(isComparable ? [previousName] : [])],
    rows: buckets.map((bucket, index) => [
      bucketStart(bucket.period.startsAt, interval, zone),
      bucket.sessionsCreatedCount,
      ...stacked.map(({ values }) => values[index]!),
      merged[index]!,
      ...(isComparable ? [before[index]?.sessionsCreatedCount ?? ""] : []),
    ]),
  });
  const filterBy = (id: string) => changeView(toggleFilter(view, filter, id));
  const buildOption = (colors: Colors): EChartsCoreOption => {
    const format = bucketFormat(interval, zone);
    const describe = (items: TooltipItem[]) => {
      const index = items[0]!.dataIndex;
      const barItems = items.filter(({ seriesType, value }) => seriesType === "bar" && value).reverse();
      const lineItems = items.filter(({ seriesType, value }) => seriesType === "line" && value != null);
      // The two lines of sessions with merged pull requests have a common bucket.
      const entries = new Map([...barItems, ...lineItems].map((item) => [item.seriesName, item]));
      const nameOf = (name: string) => (name === previousName ? format.format(new Date(previous[index]!.period.startsAt)) : name);
      return [
        `Sessions: ${formatNumber(buckets[index]!.sessionsCreatedCount)}`,
        ...Array.from(entries.values(), ({ marker, seriesName, value }) => `${marker}${nameOf(seriesName)}: ${formatNumber(value)}`),
      ];
    };
    const bars = stacked.map(({ id, name, values }) => ({
      name,
      type: "bar",
      stack: "sessions",
      cursor: "pointer",
      barCategoryGap: "28%",
      data: values,
      itemStyle: { color: colors[`${split}-${id}`], borderColor: colors.card, borderWidth: buckets.length > 60 ? 0 : 0.5 },
    }));
    // The maturing buckets are a dotted line, which begins at the end of the other.
    const settledMerged = merged.map((value, index) => (firstMaturing < 0 || index < firstMaturing ? value : null));
    const maturingMerged = merged.map((value, index) => (firstMaturing >= 0 && index >= firstMaturing - 1 ? value : null));
    const previousSessions = previous.map((bucket) => bucket?.sessionsCreatedCount ?? null);
    return {
      ...timeAxis(buckets, format, colors, describe),
      yAxis: { ...valueAxis(colors), minInterval: 1 },
      series: [
        ...bars,
        line(MERGED, colors.text!, settledMerged),
        line(MERGED, colors.text!, maturingMerged, { type: "dotted", opacity: 0.45 }),
        ...(previous.length ? [line(previousName, colors.muted!, previousSessions, { type: "dashed", width: 1.5 })] : []),
      ],
    };
  };
  return (
    <Card
      id="overTime"
      title="Sessions over time"
      subtitle={`By ${unit}${firstMaturing >= 0 ? `. Pull requests of the last ${MATURING_DAYS} days may yet be merged` : ""}`}
      buildTable={buildTable}
      controls={
        <>
          <label className="check" title={isComparable ? "" : `The ${unit}s of the two periods begin on different days.`}>
            <input
              type="checkbox"
              checked={view.overlay && isComparable}
              disabled={!isComparable}
              onChange={(event) => changeView({ overlay: event.target.checked })}
            />
            {COMPARISONS[view.comparison]}
          </label>
          <div className="segments" role="group" aria-label="Split">
            {(Object.keys(SPLITS) as Split[]).map((option) => (
              <button key={option} aria-pressed={split === option} onClick={() => changeView({ split: option })}>
                By {option}
              </button>
            ))}
          </div>
        </>
      }
    >
      <ul className="legend">
        {stacked
          .filter(({ values }) => values.some(Boolean))
          .map(({ id, name }) => (
            <li key={id}>
              <button onClick={() => filterBy(id)} aria-pressed={(view[filter] as string[]).includes(id)}>
                <Swatch split={split} id={id} />
                {name}
              </button>
            </li>
          ))}
        <li className="line-series">{MERGED}</li>
        {firstMaturing >= 0 && <li className="line-series dotted">still maturing</li>}
        {previous.length > 0 && <li className="line-series dashed">{previousName}</li>}
      </ul>
      <Chart
        data={result}
        label={`Sessions over time by ${split}, stacked, and those with merged pull requests as a line.`}
        variant={`${split} ${previous.length}`}
        height={300}
        buildOption={buildOption}
        onSelect={(series) => stacked[series] && filterBy(stacked[series].id)}
      />
    </Card>
  );
}

export function AcusCard() {
  const { view, result } = useResult();
  const { interval } = result.query.variables;
  const buckets = result.data.metrics.timeSeries ?? [];
  const buildTable = () => ({
    head: ["From", "Sessions", "ACUs", "ACUs per session"],
    rows: buckets.map((bucket) => [
      bucketStart(bucket.period.startsAt, interval, view.zone),
      bucket.sessionsCreatedCount,
      bucket.acusConsumed,
      averageOf(bucket) ?? "",
    ]),
  });
  const buildOption = (colors: Colors): EChartsCoreOption => ({
    ...timeAxis(buckets, bucketFormat(interval, view.zone), colors, (items) => {
      const bucket = buckets[items[0]!.dataIndex]!;
      return [
        `ACUs per session: ${formatAverage(averageOf(bucket))}`,
        `ACUs: ${formatNumber(bucket.acusConsumed)}`,
        `Sessions: ${formatNumber(bucket.sessionsCreatedCount)}`,
      ];
    }),
    yAxis: valueAxis(colors),
    series: [{ ...line("ACUs per session", colors.accent!, buckets.map(averageOf)), areaStyle: { color: colors.accent, opacity: 0.12 } }],
  });
  return (
    <Card id="acus" title="ACUs per session" subtitle={`Average agent compute units (ACUs) by ${interval.toLowerCase()}`} buildTable={buildTable}>
      <Chart data={result} label="Average ACUs per session over time." buildOption={buildOption} height={240} />
    </Card>
  );
}

/** Returns null for a bucket without sessions, which has no average. */
function averageOf(bucket: Bucket): number | null {
  return bucket.sessionsCreatedCount ? bucket.avgAcusPerSession : null;
}

/** Whether the buckets of two series are of equal lengths, so that each can be compared with its counterpart. */
function isAligned(buckets: Bucket[], others: Bucket[], interval: Interval): boolean {
  if (interval === "HOUR" || interval === "DAY") return others.length > 0;
  const length = (bucket?: Bucket) => (bucket ? Date.parse(bucket.period.endsAt) - Date.parse(bucket.period.startsAt) : 0);
  const tolerance = interval === "WEEK" ? 2 * HOUR : 3 * DAY;
  return others.length > 0 && Math.abs(length(buckets[0]) - length(others[0])) <= tolerance;
}

/** Returns the counterpart of each bucket in another period: days by day of the week, other intervals in order. */
function counterparts(buckets: Bucket[], others: Bucket[], interval: Interval, zone: string): (Bucket | undefined)[] {
  const weekday = ({ period }: Bucket) => new Date(bucketStart(period.startsAt, "DAY", zone)).getUTCDay();
  const shift = interval === "DAY" && buckets.length >= 7 ? ((weekday(buckets[0]!) - weekday(others[0]!) + 10) % 7) - 3 : 0;
  return buckets.map((_, index) => others[index + shift]);
}

function seriesOf(split: Split, buckets: Bucket[]): Series[] {
  const { field, names } = SPLITS[split];
  return Object.entries(names).map(([id, name]) => ({
    id,
    name,
    values: buckets.map((bucket) => (bucket[field] as Record<string, number>)[id]!),
  }));
}

function line(name: string, color: string, data: (number | null)[], style: object = {}) {
  // A value between two gaps has no line, and is not visible without a symbol.
  const isAlone = (index: number) => (data[index - 1] ?? data[index + 1] ?? null) === null;
  const points = data.map((value, index) => ({ value, symbol: value !== null && isAlone(index) ? "circle" : "none" }));
  return { name, type: "line", data: points, lineStyle: { width: 2.5, color, ...style }, itemStyle: { color } };
}

function timeAxis(buckets: Bucket[], format: Intl.DateTimeFormat, colors: Colors, describe: (items: TooltipItem[]) => string[]): EChartsCoreOption {
  const labels = buckets.map(({ period }) => format.format(new Date(period.startsAt)));
  return {
    grid: { left: 8, right: 28, top: 16, bottom: 8, outerBoundsMode: "same" },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "shadow" },
      confine: true,
      renderMode: "richText",
      backgroundColor: colors.card,
      borderColor: colors.line,
      textStyle: { color: colors.text },
      formatter: (items: TooltipItem[]) => [describePeriod(buckets[items[0]!.dataIndex]!, format), ...describe(items)].join("\n"),
    },
    xAxis: {
      type: "category",
      data: labels,
      axisLine: { lineStyle: { color: colors.line } },
      axisTick: { show: false },
      axisLabel: { color: colors.muted, hideOverlap: true },
    },
  };
}

/** Returns the days of a bucket: the first and the last week of a period may have fewer than seven. */
function describePeriod({ period }: Bucket, format: Intl.DateTimeFormat): string {
  return format.formatRange(new Date(period.startsAt), new Date(Date.parse(period.endsAt) - 1));
}

function valueAxis(colors: Colors) {
  return { type: "value", splitLine: { lineStyle: { color: colors.line } }, axisLabel: { color: colors.muted } };
}
