/** The cards with charts: sessions over time, and ACUs per session. */

import { BarChart, type BarSeriesOption, LineChart, type LineSeriesOption } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { getInstanceByDom, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";

import { Card } from "./Card";
import { useResult } from "./context";
import type { Table } from "./export";
import { formatAverage, formatNumber, keysOf } from "./measures";
import type { Bucket } from "./metricsQuery";
import { bucketFormat, bucketStart, COMPARISONS, daysBetween, formatShortRange, type Interval, INTERVALS, isMaturing, MATURING_DAYS } from "./period";
import { FILTERS, SPLITS, toggleFilter } from "./view";

use([BarChart, GridComponent, LineChart, SVGRenderer, TooltipComponent]);

const MERGED = "With merged PRs";

export function OverTimeCard({ buckets }: { buckets: Bucket[] }) {
  const { view, changeView, result } = useResult();
  const { split, zone } = view;
  const { filter, field } = SPLITS[split];
  const { interval } = result.query.variables;
  const unit = interval.toLowerCase();
  const compared = counterparts(buckets, result.data.previous?.timeSeries ?? [], interval, zone);
  const isComparable = compared.length > 0;
  const showsPrevious = view.overlay && isComparable;
  const previousSessions = compared.map((bucket) => bucket?.sessionsCreatedCount ?? null);
  const previousName = `Sessions, ${formatShortRange(result.query.previous, zone)}`;
  const stacked = Object.entries(FILTERS[filter].names).map(([id, name]) => ({
    id,
    name,
    color: `var(--${split}-${id})`,
    values: buckets.map((bucket) => (bucket[field] as Record<string, number>)[id]!),
  }));
  const shown = stacked.filter(({ values }) => values.some(Boolean));
  const matures = (bucket?: Bucket) => bucket !== undefined && isMaturing(new Date(bucket.period.endsAt), result.fetchedAt);
  const hasMaturing = buckets.some(matures);
  const filterBy = (id: string) => changeView(toggleFilter(view, filter, id));
  const merged = buckets.map((bucket) => bucket.sessionsWithMergedPrsCount);
  const columns = [
    { name: "Sessions", values: buckets.map((bucket) => bucket.sessionsCreatedCount) },
    ...stacked,
    { name: MERGED, values: merged },
    ...(isComparable ? [{ name: previousName, values: previousSessions }] : []),
  ];
  const describe = (index: number, items: TooltipItem[]) => {
    const bars = items.filter(({ seriesType, value }) => seriesType === "bar" && value);
    const lines = items.filter(({ seriesType, value }) => seriesType === "line" && value != null);
    // The two lines of sessions with merged pull requests have a common bucket.
    const entries = new Map([...bars.reverse(), ...lines].map((item) => [item.seriesName, item]));
    const previousStart = compared[index] && bucketFormat(interval, zone).format(new Date(compared[index].period.startsAt));
    const nameOf = (name: string) => (name === previousName ? previousStart : name);
    return [
      `Sessions: ${formatNumber(buckets[index]!.sessionsCreatedCount)}`,
      ...Array.from(entries.values(), ({ marker, seriesName, value }) => `${marker}${nameOf(seriesName)}: ${formatNumber(value)}`),
    ];
  };
  const bars = stacked.map(({ name, color, values }) => ({
    name,
    type: "bar" as const,
    stack: "sessions",
    barCategoryGap: "28%",
    data: values,
    itemStyle: { color, borderColor: "var(--card)", borderWidth: buckets.length > 60 ? 0 : 0.5 },
    emphasis: { itemStyle: { color: `color-mix(in srgb, ${color}, white 10%)` } },
  }));
  // The maturing buckets are a dotted line, which begins at the end of the other.
  const settled = merged.map((value, index) => (matures(buckets[index]) ? null : value));
  const maturing = merged.map((value, index) => (matures(buckets[index]) || matures(buckets[index + 1]) ? value : null));
  const lines = [line(MERGED, "var(--text)", settled), line(MERGED, "var(--text)", maturing, { type: "dotted", opacity: 0.45 })];
  if (showsPrevious) lines.push(line(previousName, "var(--muted)", previousSessions, { type: "dashed", width: 1.5 }));
  return (
    <Card
      id="overTime"
      title="Sessions over time"
      subtitle={`By ${unit}${hasMaturing ? `. Pull requests of the last ${MATURING_DAYS} days may yet be merged` : ""}`}
      buildTable={() => toTable(buckets, interval, zone, columns)}
      controls={
        <>
          <label className="check" title={isComparable ? "" : `The ${unit}s of the two periods begin on different days.`}>
            <input type="checkbox" checked={showsPrevious} disabled={!isComparable} onChange={(event) => changeView({ overlay: event.target.checked })} />
            {COMPARISONS[view.comparison]}
          </label>
          <div className="segments" role="group" aria-label="Split">
            {keysOf(SPLITS).map((option) => (
              <button key={option} aria-pressed={split === option} onClick={() => changeView({ split: option })}>
                By {option}
              </button>
            ))}
          </div>
        </>
      }
    >
      <ul className="legend">
        {shown.map(({ id, name, color }) => (
          <li key={id}>
            <button onClick={() => filterBy(id)} aria-pressed={(view[filter] as string[]).includes(id)}>
              <i className="swatch" style={{ background: color }} />
              {name}
            </button>
          </li>
        ))}
        <li className="line-series">{MERGED}</li>
        {hasMaturing && <li className="line-series dotted">still maturing</li>}
        {showsPrevious && <li className="line-series dashed">{previousName}</li>}
      </ul>
      <Chart
        label={`Sessions over time by ${split}, stacked, and those with merged pull requests as a line.`}
        height={300}
        buckets={buckets}
        series={[...bars, ...lines]}
        minInterval={1}
        describe={describe}
        onSelect={(series) => stacked[series] && filterBy(stacked[series].id)}
      />
    </Card>
  );
}

export function AcusCard({ buckets }: { buckets: Bucket[] }) {
  const { view, result } = useResult();
  const { interval } = result.query.variables;
  const averages = buckets.map((bucket) => (bucket.sessionsCreatedCount ? bucket.avgAcusPerSession : null));
  const columns = [
    { name: "Sessions", values: buckets.map((bucket) => bucket.sessionsCreatedCount), format: formatNumber },
    { name: "ACUs", values: buckets.map((bucket) => bucket.acusConsumed), format: formatNumber },
    { name: "ACUs per session", values: averages, format: formatAverage },
  ];
  const areaStyle = { color: "var(--accent)", opacity: 0.12 };
  return (
    <Card
      id="acus"
      title="ACUs per session"
      subtitle={`Average agent compute units (ACUs) by ${interval.toLowerCase()}`}
      buildTable={() => toTable(buckets, interval, view.zone, columns)}
    >
      <Chart
        label="Average ACUs per session over time."
        height={240}
        buckets={buckets}
        series={[{ ...line("ACUs per session", "var(--accent)", averages), areaStyle }]}
        describe={(index) => columns.toReversed().map(({ name, values, format }) => `${name}: ${format(values[index]!)}`)}
      />
    </Card>
  );
}

function toTable(buckets: Bucket[], interval: Interval, zone: string, columns: { name: string; values: (number | null)[] }[]): Table {
  return {
    head: ["From", ...columns.map(({ name }) => name)],
    rows: buckets.map(({ period }, index) => [bucketStart(period.startsAt, interval, zone), ...columns.map(({ values }) => values[index] ?? "")]),
  };
}

/**
 * Returns the counterpart of each bucket in another period: days by day of the week, other intervals in order. There are
 * none if the first buckets, which may be parts of a week or month, differ in length.
 */
function counterparts(buckets: Bucket[], others: Bucket[], interval: Interval, zone: string): (Bucket | undefined)[] {
  const [first, otherFirst] = [buckets[0], others[0]];
  if (!first || !otherFirst) return [];
  const daysOf = ({ period }: Bucket) => daysBetween(period.startsAt, period.endsAt);
  if (Math.abs(daysOf(first) - daysOf(otherFirst)) > INTERVALS[interval].tolerance) return [];
  const weekday = ({ period }: Bucket) => new Date(bucketStart(period.startsAt, "DAY", zone)).getUTCDay();
  const shift = interval === "DAY" && buckets.length >= 7 ? ((weekday(first) - weekday(otherFirst) + 10) % 7) - 3 : 0;
  return buckets.map((_, index) => others[index + shift]);
}

function line(name: string, color: string, data: (number | null)[], style: LineSeriesOption["lineStyle"] = {}): LineSeriesOption {
  // A value between two gaps has no line, and is not visible without a symbol.
  const isAlone = (index: number) => (data[index - 1] ?? data[index + 1] ?? null) === null;
  const points = data.map((value, index) => ({ value, symbol: value !== null && isAlone(index) ? "circle" : "none" }));
  // By default, ECharts derives the colors of emphasis, and cannot do this from custom properties.
  const emphasis = { lineStyle: { color }, itemStyle: { color }, areaStyle: { color } };
  return { name, type: "line", data: points, lineStyle: { width: 2.5, color, ...style }, itemStyle: { color }, emphasis };
}

/** A parameter of ECharts' tooltip formatter. */
interface TooltipItem {
  seriesName: string;
  seriesType: string;
  marker: string;
  value: number | null;
  dataIndex: number;
}

interface ChartProps {
  label: string;
  height: number;
  buckets: Bucket[];
  /** Each has a value for each bucket. Custom properties of style.css are their colors. */
  series: (BarSeriesOption | LineSeriesOption)[];
  minInterval?: number;
  /** Returns the lines of the tooltip of a bucket. */
  describe: (index: number, items: TooltipItem[]) => string[];
  onSelect?: (seriesIndex: number) => void;
}

/** An ECharts chart of buckets in the page's colors. The label is its text alternative. */
function Chart({ label, height, buckets, series, minInterval = 0, describe, onSelect }: ChartProps) {
  const { view, result } = useResult();
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const chart = init(container.current, null, { renderer: "svg" });
    const observer = new ResizeObserver(() => chart.resize());
    observer.observe(container.current!);
    return () => {
      observer.disconnect();
      chart.dispose();
    };
  }, []);
  useEffect(() => {
    const chart = getInstanceByDom(container.current!)!;
    chart.off("click");
    chart.on("click", (event) => onSelect?.(event.seriesIndex!));
    const format = bucketFormat(result.query.variables.interval, view.zone);
    const axisLabel = { color: "var(--muted)", hideOverlap: true };
    const lineStyle = { color: "var(--line)" };
    const option = {
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: "var(--text)" },
      grid: { left: 8, right: 28, top: 16, bottom: 8, outerBoundsMode: "same" },
      tooltip: {
        trigger: "axis",
        axisPointer: { type: "shadow" },
        confine: true,
        renderMode: "richText",
        backgroundColor: "var(--card)",
        borderColor: "var(--line)",
        textStyle: { color: "var(--text)" },
        formatter: (items: TooltipItem[]) => {
          const index = items[0]!.dataIndex;
          const { startsAt, endsAt } = buckets[index]!.period;
          // The first and the last week of a period may have fewer than seven days.
          const days = format.formatRange(new Date(startsAt), new Date(Date.parse(endsAt) - 1));
          return [days, ...describe(index, items)].join("\n");
        },
      },
      xAxis: {
        type: "category",
        data: buckets.map(({ period }) => format.format(new Date(period.startsAt))),
        axisLine: { lineStyle },
        axisTick: { show: false },
        axisLabel,
      },
      yAxis: { type: "value", minInterval, splitLine: { lineStyle }, axisLabel },
      series,
    };
    chart.setOption(option, true);
  });
  return <div ref={container} className="chart" role="img" aria-label={label} style={{ height }} />;
}
