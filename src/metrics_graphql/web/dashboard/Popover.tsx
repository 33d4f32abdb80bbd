/** A button that opens a panel below it. Escape closes the panel, as do a click and focus outside. */

import { type ReactNode, useEffect, useRef } from "react";

interface PopoverProps {
  className: string;
  /** The accessible name of the panel and of a button without text. */
  label: string;
  summary: ReactNode;
  onToggle?: (isOpen: boolean) => void;
  children: ReactNode;
}

export function Popover({ className, label, summary, onToggle, children }: PopoverProps) {
  const details = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const closeFromOutside = (event: Event) => {
      if (details.current && !details.current.contains(event.target as Node)) details.current.open = false;
    };
    document.addEventListener("pointerdown", closeFromOutside);
    document.addEventListener("focusin", closeFromOutside);
    return () => {
      document.removeEventListener("pointerdown", closeFromOutside);
      document.removeEventListener("focusin", closeFromOutside);
    };
  }, []);
  const closeOnEscape = (event: React.KeyboardEvent) => {
    if (event.key !== "Escape" || !details.current?.open) return;
    event.stopPropagation();
    close(details.current);
  };
  return (
    <details className={`popover ${className}`} ref={details} onKeyDown={closeOnEscape} onToggle={(event) => onToggle?.(event.currentTarget.open)}>
      <summary title={label} {...(typeof summary !== "string" && { "aria-label": label })}>
        {summary}
      </summary>
      <div role="group" aria-label={label}>
        {children}
      </div>
    </details>
  );
}

/** Returns an event handler that also closes the popover around the element. */
export function closing(action: () => void) {
  return (event: React.SyntheticEvent<HTMLElement>) => {
    const details = event.currentTarget.closest("details");
    action();
    if (details) close(details);
  };
}

function close(details: HTMLDetailsElement): void {
  details.open = false;
  details.querySelector("summary")?.focus();
}
