/** An error message, which screen readers announce. */

import type { ReactNode } from "react";

export function ErrorNotice({ children }: { children: ReactNode }) {
  return (
    <p className="notice error" role="alert">
      {children}
    </p>
  );
}
