/** An ECharts chart in the page's colors, with a text alternative. */

import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { type EChartsCoreOption, type EChartsType, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useEffectEvent, useRef, useState } from "react";

import { ORIGIN_NAMES, SIZE_NAMES } from "./measures";

use([AriaComponent, BarChart, GridComponent, LineChart, SVGRenderer, TooltipComponent]);

/** The current values, light or dark, of the custom properties in style.css, by name. */
export type Colors = Record<string, string>;

interface ChartProps {
  /** The text alternative. */
  label: string;
  /** The chart is rendered again when this, the label or the variant changes. */
  data: object;
  variant?: string;
  height?: number;
  buildOption: (colors: Colors) => EChartsCoreOption;
  /** Receives the index of a clicked series. */
  onSelect?: (series: number) => void;
}

export function Chart({ label, data, variant, height = 280, buildOption, onSelect }: ChartProps) {
  const container = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);
  const colors = useColors();
  const select = useEffectEvent((series: number) => onSelect?.(series));
  const buildCurrentOption = useEffectEvent(buildOption);
  useEffect(() => {
    const instance = (chart.current = init(container.current, null, { renderer: "svg" }));
    instance.on("click", (event) => select(event.seriesIndex!));
    const observer = new ResizeObserver(() => instance.resize());
    observer.observe(container.current!);
    return () => {
      observer.disconnect();
      instance.dispose();
    };
  }, []);
  useEffect(() => {
    const option = {
      animation: false,
      aria: { enabled: true, label: { description: label } },
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colors.text! },
      ...buildCurrentOption(colors),
    };
    chart.current?.setOption(option, true);
  }, [colors, data, label, variant]);
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

const COLOR_NAMES = [
  ...["text", "muted", "line", "card", "accent"],
  ...Object.keys(ORIGIN_NAMES).map((origin) => `origin-${origin}`),
  ...Object.keys(SIZE_NAMES).map((size) => `size-${size}`),
];
