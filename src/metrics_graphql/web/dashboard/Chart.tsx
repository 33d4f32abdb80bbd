/** Draws a chart with ECharts, in the colours of the page, with words for those who can't see it. */

import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { type EChartsCoreOption, type EChartsType, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef, useState } from "react";

use([AriaComponent, BarChart, GridComponent, LineChart, SVGRenderer, TooltipComponent]);

/** The colours of the page as they are now, light or dark, by the names that the style sheet has. */
export type Colors = Record<string, string>;

interface ChartProps {
  /** In words, for those who can't see it. */
  label: string;
  /** What it is drawn from: drawn again when this changes, or the label. */
  of: object;
  height?: number;
  draw: (colors: Colors) => EChartsCoreOption;
}

export function Chart({ label, of, height = 280, draw }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);
  const colors = useColors();
  useEffect(() => {
    const drawn = (chart.current = init(place.current, null, { renderer: "svg" }));
    const observer = new ResizeObserver(() => drawn.resize());
    observer.observe(place.current!);
    return () => {
      observer.disconnect();
      drawn.dispose();
    };
  }, []);
  useEffect(() => {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const option = {
      animation: !still,
      animationDuration: 300,
      aria: { enabled: true, label: { description: label } },
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colors.text! },
      ...draw(colors),
    };
    chart.current?.setOption(option, true);
  }, [colors, of, label]);
  return <div ref={place} className="chart" role="img" aria-label={label} style={{ height }} />;
}

function useColors(): Colors {
  const [colors, setColors] = useState(readColors);
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setColors(readColors());
    dark.addEventListener("change", follow);
    return () => dark.removeEventListener("change", follow);
  }, []);
  return colors;
}

function readColors(): Colors {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, at) => `${name}-${at + 1}`);
const NAMES = ["text", "muted", "line", "card", "accent", "rest", ...numbered("series", 8), ...numbered("size", 5)];
