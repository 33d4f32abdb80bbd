/** An ECharts chart in the page's colours, with a text alternative. */

import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { type EChartsCoreOption, type EChartsType, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef, useState } from "react";

use([AriaComponent, BarChart, GridComponent, LineChart, SVGRenderer, TooltipComponent]);

/** The current values, light or dark, of the custom properties in style.css, by name. */
export type Colors = Record<string, string>;

interface ChartProps {
  /** The text alternative. */
  label: string;
  /** The chart is rendered again when this or the label changes. */
  data: object;
  height?: number;
  buildOption: (colors: Colors) => EChartsCoreOption;
}

export function Chart({ label, data, height = 280, buildOption }: ChartProps) {
  const container = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);
  const colors = useColors();
  useEffect(() => {
    const instance = (chart.current = init(container.current, null, { renderer: "svg" }));
    const observer = new ResizeObserver(() => instance.resize());
    observer.observe(container.current!);
    return () => {
      observer.disconnect();
      instance.dispose();
    };
  }, []);
  useEffect(() => {
    const reducesMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const option = {
      animation: !reducesMotion,
      animationDuration: 300,
      aria: { enabled: true, label: { description: label } },
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colors.text! },
      ...buildOption(colors),
    };
    chart.current?.setOption(option, true);
  }, [colors, data, label]);
  return <div ref={container} className="chart" role="img" aria-label={label} style={{ height }} />;
}

function useColors(): Colors {
  const [colors, setColors] = useState(readColors);
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const update = () => setColors(readColors());
    dark.addEventListener("change", update);
    return () => dark.removeEventListener("change", update);
  }, []);
  return colors;
}

function readColors(): Colors {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(COLOR_NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
const COLOR_NAMES = ["text", "muted", "line", "card", "accent", "other", ...numbered("series", 8), ...numbered("size", 5)];
