/** Periods in days of the browser's time zone. */

/** The browser's time zone, as IANA names it. */
export const TIME_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Lengths to choose from: so many days, today included. */
export const PRESETS = [
  { id: "1d", days: 1, label: "Today" },
  { id: "7d", days: 7, label: "7 days" },
  { id: "30d", days: 30, label: "30 days" },
  { id: "90d", days: 90, label: "90 days" },
  { id: "365d", days: 365, label: "1 year" },
] as const;

/** Days chosen by hand, written `2025-01-31`, both included. */
export interface Days {
  from: string;
  to: string;
}

/** A preset's id, or days. */
export type Period = (typeof PRESETS)[number]["id"] | Days;

export type Interval = "HOUR" | "DAY" | "WEEK" | "MONTH";

/** Instants: the first is in, the second out. */
export interface Span {
  after: Date;
  before: Date;
}

/** The instants of a period; one that ends today ends now, to the minute. */
export function spanOf(period: Period, now: Date): Span {
  if (typeof period === "object") {
    return { after: midnight(period.from), before: midnight(period.to, 1) };
  }
  const preset = PRESETS.find((each) => each.id === period)!;
  const after = new Date(now.getFullYear(), now.getMonth(), now.getDate() - preset.days + 1);
  const before = new Date(Math.ceil((now.getTime() + 1) / 60_000) * 60_000);
  return { after, before };
}

/** The days that a period is made of. */
export function daysOf(period: Period, now: Date): Days {
  if (typeof period === "object") return period;
  return { from: isoDay(spanOf(period, now).after), to: isoDay(now) };
}

/** The first day that can be chosen: there were no sessions before it. */
export const FIRST_DAY = "1970-01-01";
/** How many years of months a series can show. */
const MOST_YEARS = 80;

/** Whether this is a day that there was, such as `2025-01-31`, and no earlier than the first. */
export function isDay(text: string | null): text is string {
  return text !== null && /^\d{4}-\d\d-\d\d$/.test(text) && text >= FIRST_DAY && isoDay(midnight(text)) === text;
}

/** Whether these days are in order, and no more than can be shown. */
export function areDays(from: string | null, to: string | null): boolean {
  return isDay(from) && isDay(to) && from <= to && Number(to.slice(0, 4)) - Number(from.slice(0, 4)) <= MOST_YEARS;
}

/** How fine a series over a span is drawn: some dozens of bars. */
export function intervalOf({ after, before }: Span): Interval {
  const days = (before.getTime() - after.getTime()) / 86_400_000;
  if (days <= 2) return "HOUR";
  if (days <= 100) return "DAY";
  if (days <= 750) return "WEEK";
  return "MONTH";
}

/** When a bucket starts, as an axis has room for it. */
export function bucketLabel(startsAt: string, interval: Interval): string {
  return new Date(startsAt).toLocaleString(undefined, FORMATS[interval]);
}

/** The same, as a table and a file need it: the day or, of an hour, the instant with its offset. */
export function bucketStart(startsAt: string, interval: Interval): string {
  const start = new Date(startsAt);
  if (interval !== "HOUR") return isoDay(start);
  const minutes = -start.getTimezoneOffset();
  const offset = `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `${isoDay(start)}T${two(start.getHours())}:${two(start.getMinutes())}${offset}`;
}

const FORMATS: Record<Interval, Intl.DateTimeFormatOptions> = {
  HOUR: { weekday: "short", hour: "2-digit", minute: "2-digit" },
  DAY: { day: "numeric", month: "short" },
  WEEK: { day: "numeric", month: "short", year: "2-digit" },
  MONTH: { month: "short", year: "numeric" },
};

function midnight(day: string, later = 0): Date {
  const [year, month, date] = day.split("-").map(Number) as [number, number, number];
  return new Date(year, month - 1, date + later);
}

function two(number: number): string {
  return String(number).padStart(2, "0");
}

function isoDay(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
