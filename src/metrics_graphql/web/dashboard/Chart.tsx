/** Draws a chart with ECharts, in the colours of the page, with words for those who can't see it. */

import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import { useEffect, useRef, useState } from "react";

use([AriaComponent, BarChart, GridComponent, LegendComponent, LineChart, SVGRenderer, TooltipComponent]);

/** The colours of the page as they are now, light or dark. */
export interface Colors {
  text: string;
  muted: string;
  line: string;
  card: string;
  accent: string;
  good: string;
  series: string[];
  sizes: string[];
  rest: string;
}

export function Chart(props: { label: string; height?: number; draw: (colors: Colors) => EChartsCoreOption }) {
  const place = useRef<HTMLDivElement>(null);
  const colors = useColors();
  useEffect(() => {
    const chart = init(place.current, null, { renderer: "svg" });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    chart.setOption({
      animation: !still,
      animationDuration: 300,
      aria: { enabled: true, label: { description: props.label } },
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colors.text },
      ...props.draw(colors),
    });
    const observer = new ResizeObserver(() => chart.resize());
    observer.observe(place.current!);
    return () => {
      observer.disconnect();
      chart.dispose();
    };
  });
  return <div ref={place} className="chart" role="img" aria-label={props.label} style={{ height: props.height ?? 280 }} />;
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
  const read = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: read("text"),
    muted: read("muted"),
    line: read("line"),
    card: read("card"),
    accent: read("accent"),
    good: read("good"),
    series: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => read(`series-${number}`)),
    sizes: [1, 2, 3, 4, 5].map((number) => read(`size-${number}`)),
    rest: read("rest"),
  };
}
