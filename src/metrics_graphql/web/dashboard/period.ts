/** Periods of whole days in a time zone, and the periods that they are compared with. */

import { keysOf } from "./measures";

/** Ids are part of URLs. `30d` is 30 whole days and today. */
export const PRESETS = {
  "1d": "Today",
  "7d": "7 days",
  "30d": "30 days",
  "90d": "90 days",
  "365d": "365 days",
  ytd: "Year to date",
  "this-week": "This week",
  "last-week": "Last week",
  "this-month": "This month",
  "last-month": "Last month",
  "this-quarter": "This quarter",
  "last-quarter": "Last quarter",
};
type PresetId = keyof typeof PRESETS;
export const DEFAULT_PRESET: PresetId = "30d";

/** ISO 8601 dates, both inclusive. */
export type DateRange = { from: string; to: string };

/** The id of a preset, or custom dates. */
export type Period = PresetId | DateRange;

export const COMPARISONS = { previous: "The period before", year: "A year earlier" };
export type Comparison = keyof typeof COMPARISONS;

/** The instants of a range (inclusive start, exclusive end), and its dates. */
type TimeRange = { after: Date; before: Date; dates: DateRange };

const DAY = 24 * 3_600_000;
/**
 * The intervals of time series: the days of the longest range that each is used for, the days by which counterparts in two
 * series may differ in length, and the format of the start of a bucket on an axis.
 */
export const INTERVALS = {
  HOUR: { maxDays: 2.1, tolerance: Infinity, format: { weekday: "short", hour: "numeric", minute: "2-digit" } },
  DAY: { maxDays: 100, tolerance: Infinity, format: { weekday: "short", day: "numeric", month: "short" } },
  WEEK: { maxDays: 750, tolerance: 2 / 24, format: { day: "numeric", month: "short", year: "numeric" } },
  MONTH: { maxDays: Infinity, tolerance: 3, format: { month: "short", year: "numeric" } },
} as const;
export type Interval = keyof typeof INTERVALS;

/** Pull requests of sessions of this many days may yet be merged. */
export const MATURING_DAYS = 7;
/** A range that ends now ends at the next multiple of this, so that requests within it are equal and can be cached. */
const NOW_RESOLUTION = 5 * 60_000;

export function isMaturing(instant: Date, now: Date): boolean {
  return instant.getTime() > now.getTime() - MATURING_DAYS * DAY;
}

/** Returns the canonical name of an IANA time zone; null for anything else, such as `Etc/Unknown` or `+02:00`. */
export function canonicalZone(name: string): string | null {
  if (!/^[A-Za-z]/.test(name) || name === "Etc/Unknown") return null;
  try {
    return new Intl.DateTimeFormat(undefined, { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}

/** The browser's time zone, as it reports it. */
export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Returns the range of a period, and the range that it is compared with. If the first ends now, both end at the same time of day. */
export function toTimeRanges(period: Period, comparison: Comparison, zone: string, now: Date) {
  const today = wallTime(now, zone).slice(0, 10);
  const given = typeof period === "object" ? period : presetDates(period, today);
  const endsNow = given.from <= today && given.to >= today;
  const dates = endsNow ? { from: given.from, to: today } : given;
  const isYearEarlier = comparison === "year" || period === "ytd";
  const previousDates = isYearEarlier ? { from: yearEarlier(dates.from), to: yearEarlier(dates.to) } : datesBefore(period, dates);
  const startOfDay = (date: string) => toInstant(date, "00:00:00", zone);
  const toTimeRange = (days: DateRange): TimeRange => ({ after: startOfDay(days.from), before: startOfDay(addDays(days.to, 1)), dates: days });
  const current = toTimeRange(dates);
  const previous = toTimeRange(previousDates);
  const until = new Date(Math.ceil((now.getTime() + 1) / NOW_RESOLUTION) * NOW_RESOLUTION);
  if (!endsNow || until >= current.before) return { current, previous };
  const previousUntil = toInstant(previousDates.to, wallTime(until, zone).slice(11), zone);
  return { current: { ...current, before: until }, previous: { ...previous, before: previousUntil } };
}

function presetDates(id: PresetId, today: string): DateRange {
  if (id === "1d") return { from: today, to: today };
  const [which, unit] = (id === "ytd" ? ["this", "year"] : id.split("-")) as [string, Unit?];
  if (!unit) return { from: addDays(today, -parseInt(id)), to: today };
  const start = startOf(unit, today);
  if (which === "this") return { from: start, to: today };
  const to = addDays(start, -1);
  return { from: startOf(unit, to), to };
}

/** Returns the same days of the week, month or quarter before, or as many days before others. */
function datesBefore(period: Period, dates: DateRange): DateRange {
  const [which, unit] = (typeof period === "string" ? period.split("-") : []) as [string?, Unit?];
  const length = daysBetween(dates.from, dates.to);
  const last = addDays(dates.from, -1);
  const from = unit ? startOf(unit, last) : addDays(last, -length);
  const same = addDays(from, length);
  return { from, to: which === "last" || same > last ? last : same };
}

type Unit = "week" | "month" | "quarter" | "year";

function startOf(unit: Unit, date: string): string {
  if (unit === "week") return addDays(date, -((new Date(date).getUTCDay() + 6) % 7));
  const months = { month: 1, quarter: 3, year: 12 }[unit];
  const [year, month] = date.split("-").map(Number) as [number, number];
  return isoDate(Date.UTC(year, month - 1 - ((month - 1) % months)));
}

export function addDays(date: string, days: number): string {
  return isoDate(Date.parse(date) + days * DAY);
}

/** Returns the days between two dates or instants. */
export function daysBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / DAY;
}

/** Returns the same day a year earlier. The year before a leap year has no February 29. */
function yearEarlier(date: string): string {
  return `${Number(date.slice(0, 4)) - 1}${date.slice(4).replace("-02-29", "-02-28")}`;
}

function isoDate(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10);
}

/** By time zone: creating a format takes fifty times as long as formatting. */
const wallFormats: Record<string, Intl.DateTimeFormat> = {};
/** Returns the wall-clock time of an instant, like `2026-01-31T09:30:00`. Swedish times have this format, with a space. */
function wallTime(instant: Date, zone: string): string {
  const format = (wallFormats[zone] ??= new Intl.DateTimeFormat("sv", { timeZone: zone, dateStyle: "short", timeStyle: "medium" }));
  return format.format(instant).replace(" ", "T");
}

/** Returns the offset of a zone from UTC, in milliseconds. */
function offset(instant: Date, zone: string): number {
  return Date.parse(`${wallTime(instant, zone)}Z`) - Math.floor(instant.getTime() / 1000) * 1000;
}

/** Returns the first instant with a wall-clock time. Times that the clocks skip move to after the gap. */
function toInstant(date: string, time: string, zone: string): Date {
  const wall = `${date}T${time}`;
  const utc = Date.parse(`${wall}Z`);
  const candidates = [-DAY, DAY].map((shift) => new Date(utc - offset(new Date(utc + shift), zone)));
  const [earliest] = candidates.filter((instant) => wallTime(instant, zone) === wall).sort((a, b) => a.getTime() - b.getTime());
  return earliest ?? candidates[0]!;
}

export const MIN_DATE = "1970-01-01";
export const MAX_DATE = "9998-12-31";
/** A monthly series of more years would exceed the API's limit of buckets. */
const MAX_YEARS = 80;

/** Returns the error in the dates of a URL or a form; an empty string if they are valid. */
export function dateRangeProblem(from: string, to: string): string {
  for (const [name, date] of Object.entries({ from, to })) {
    if (!date) return `“${name}” is missing: a range has two dates, like from=2026-01-01&to=2026-01-31.`;
    const isDate = new Date(date).toJSON()?.slice(0, 10) === date;
    if (!isDate || date < MIN_DATE || date > MAX_DATE) return `“${name}=${date}” is not a date from ${MIN_DATE} to ${MAX_DATE}, like 2026-01-31.`;
  }
  if (from > to) return `“from=${from}” is after “to=${to}”.`;
  if (Number(to.slice(0, 4)) - Number(from.slice(0, 4)) > MAX_YEARS) return `“from=${from}” and “to=${to}” are more than ${MAX_YEARS} years apart.`;
  return "";
}

export function chooseInterval({ after, before }: TimeRange): Interval {
  const days = (before.getTime() - after.getTime()) / DAY;
  return keysOf(INTERVALS).find((interval) => days <= INTERVALS[interval].maxDays)!;
}

export function formatDates({ from, to }: DateRange, options: Intl.DateTimeFormatOptions = { dateStyle: "medium" }): string {
  return new Intl.DateTimeFormat(undefined, { ...options, timeZone: "UTC" }).formatRange(new Date(from), new Date(to));
}

/** Formats the days of a range, and the time of day if it ends within one. */
export function formatRange({ before, dates }: TimeRange, zone: string): string {
  const endsWithinDay = wallTime(before, zone).startsWith(dates.to);
  return `${formatDates(dates)}${endsWithinDay ? `, until ${formatTime(before, zone)}` : ""}`;
}

/** Formats the days of a range of several days in the current year, without the year; other ranges as `formatRange` does. */
export function formatShortRange(range: TimeRange, zone: string): string {
  const { from, to } = range.dates;
  const isThisYear = from.startsWith(String(new Date().getFullYear()));
  return from === to || !isThisYear ? formatRange(range, zone) : formatDates(range.dates, { month: "short", day: "numeric" });
}

export function formatTime(instant: Date, zone: string): string {
  return instant.toLocaleTimeString(undefined, { timeStyle: "short", timeZone: zone });
}

export const formatDate = (date: string) => formatDates({ from: date, to: date });

export function bucketFormat(interval: Interval, timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(undefined, { ...INTERVALS[interval].format, timeZone });
}

/** Formats the start of a bucket for tables and CSV: as a date or, by hour, as a time with UTC offset. */
export function bucketStart(startsAt: string, interval: Interval, zone: string): string {
  const start = new Date(startsAt);
  const wall = wallTime(start, zone);
  if (interval !== "HOUR") return wall.slice(0, 10);
  const shift = offset(start, zone);
  return `${wall.slice(0, 16)}${shift < 0 ? "-" : "+"}${new Date(Math.abs(shift)).toISOString().slice(11, 16)}`;
}
