/** Periods of whole days in the browser's time zone. */

/** The browser's time zone, an IANA name. */
export const TIME_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Numbers of days that end today. */
export const PRESETS = [
  { id: "1d", days: 1, label: "Today" },
  { id: "7d", days: 7, label: "7 days" },
  { id: "30d", days: 30, label: "30 days" },
  { id: "90d", days: 90, label: "90 days" },
  { id: "365d", days: 365, label: "1 year" },
] as const;

/** ISO 8601 dates, both inclusive. */
export interface DateRange {
  from: string;
  to: string;
}

/** The id of a preset, or custom dates. */
export type Period = (typeof PRESETS)[number]["id"] | DateRange;

export type Interval = "HOUR" | "DAY" | "WEEK" | "MONTH";

/** Instants: inclusive start, exclusive end. */
export interface TimeRange {
  after: Date;
  before: Date;
}

/** Returns the instants of a period. A preset ends now, rounded up to the minute. */
export function toTimeRange(period: Period, now: Date): TimeRange {
  if (typeof period === "object") {
    return { after: midnight(period.from), before: midnight(period.to, 1) };
  }
  const preset = PRESETS.find(({ id }) => id === period)!;
  const after = new Date(now.getFullYear(), now.getMonth(), now.getDate() - preset.days + 1);
  const before = new Date(Math.ceil((now.getTime() + 1) / 60_000) * 60_000);
  return { after, before };
}

/** Returns the first and the last date of a period. */
export function toDateRange(period: Period, now: Date): DateRange {
  if (typeof period === "object") return period;
  return { from: isoDate(toTimeRange(period, now).after), to: isoDate(now) };
}

/** The first date that can be selected: the Unix epoch. */
export const MIN_DATE = "1970-01-01";
/** Keeps a monthly series below the API's limit of buckets. */
const MAX_YEARS = 80;

/** Whether this is a valid date, such as `2025-01-31`, from `MIN_DATE` on. */
export function isDate(text: string | null): text is string {
  return text !== null && /^\d{4}-\d\d-\d\d$/.test(text) && text >= MIN_DATE && isoDate(midnight(text)) === text;
}

/** Whether these dates are valid, in order, and at most `MAX_YEARS` apart. */
export function isDateRange(from: string | null, to: string | null): boolean {
  return isDate(from) && isDate(to) && from <= to && Number(to.slice(0, 4)) - Number(from.slice(0, 4)) <= MAX_YEARS;
}

/** Returns the interval of a time series, by the length of the range. */
export function chooseInterval({ after, before }: TimeRange): Interval {
  const days = (before.getTime() - after.getTime()) / 86_400_000;
  if (days <= 2) return "HOUR";
  if (days <= 100) return "DAY";
  if (days <= 750) return "WEEK";
  return "MONTH";
}

/** Formats the start of a bucket for an axis. */
export function bucketLabel(startsAt: string, interval: Interval): string {
  return new Date(startsAt).toLocaleString(undefined, FORMATS[interval]);
}

/** Formats the start of a bucket for tables and CSV: as a date or, by hour, as a time with UTC offset. */
export function bucketStart(startsAt: string, interval: Interval): string {
  const start = new Date(startsAt);
  if (interval !== "HOUR") return isoDate(start);
  const minutes = -start.getTimezoneOffset();
  const offset = `${minutes < 0 ? "-" : "+"}${twoDigits(Math.floor(Math.abs(minutes) / 60))}:${twoDigits(Math.abs(minutes) % 60)}`;
  return `${isoDate(start)}T${twoDigits(start.getHours())}:${twoDigits(start.getMinutes())}${offset}`;
}

const FORMATS: Record<Interval, Intl.DateTimeFormatOptions> = {
  HOUR: { weekday: "short", hour: "2-digit", minute: "2-digit" },
  DAY: { day: "numeric", month: "short" },
  WEEK: { day: "numeric", month: "short", year: "2-digit" },
  MONTH: { month: "short", year: "numeric" },
};

function midnight(isoDate: string, plusDays = 0): Date {
  const [year, month, day] = isoDate.split("-").map(Number) as [number, number, number];
  return new Date(year, month - 1, day + plusDays);
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}

function isoDate(date: Date): string {
  return `${date.getFullYear()}-${twoDigits(date.getMonth() + 1)}-${twoDigits(date.getDate())}`;
}
