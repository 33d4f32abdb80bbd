/** The colour of an origin or a size in charts. */

import type { CSSProperties } from "react";

import type { Split } from "./view";

/** `id` is that of an origin or a size. */
export function Swatch({ split, id }: { split: Split; id: string }) {
  return <i className="swatch" style={{ "--swatch": `var(--${split}-${id})` } as CSSProperties} />;
}
