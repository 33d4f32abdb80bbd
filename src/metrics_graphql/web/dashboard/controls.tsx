/** Controls that several components use. */

import type { ComponentProps, ReactNode } from "react";

type PopoverProps = ComponentProps<"details"> & { label: string; summary: ReactNode };

/** A button that opens a panel below it, which Escape closes, as do a click and focus outside. `label` names both for screen readers. */
export function Popover({ className, label, summary, onToggle, children }: PopoverProps) {
  const closeOnEscape = (event: React.KeyboardEvent<HTMLDetailsElement>) => {
    if (event.key !== "Escape" || !event.currentTarget.open) return;
    closing(() => event.stopPropagation())();
  };
  return (
    <details className={`popover ${className}`} onKeyDown={closeOnEscape} onToggle={onToggle}>
      <summary title={label} aria-label={typeof summary === "string" ? undefined : label}>
        {summary}
      </summary>
      <div role="group" aria-label={label}>
        {children}
      </div>
    </details>
  );
}

function closeFromOutside(event: Event): void {
  for (const details of document.querySelectorAll<HTMLDetailsElement>(".popover[open]")) {
    if (!details.contains(event.target as Node)) details.open = false;
  }
}
document.addEventListener("pointerdown", closeFromOutside);
document.addEventListener("focusin", closeFromOutside);

/** Returns an event handler that also closes the popover that is open, and focuses its button. */
export function closing(action: () => void) {
  return () => {
    const details = document.querySelector<HTMLDetailsElement>(".popover[open]")!;
    action();
    details.open = false;
    details.querySelector("summary")!.focus();
  };
}

type SelectProps<Value> = { value: Value; values: Value[]; nameOf?: (value: Value) => string; onChange: (value: Value) => void };

export function Select<Value extends string>({ value, values, nameOf = String, onChange }: SelectProps<Value>) {
  return (
    <select value={value} onChange={(event) => onChange(event.target.value as Value)}>
      {values.map((option) => (
        <option key={option} value={option}>
          {nameOf(option)}
        </option>
      ))}
    </select>
  );
}

/** An error message, which screen readers announce. */
export function ErrorNotice({ children }: { children: ReactNode }) {
  return (
    <p className="notice error" role="alert">
      {children}
    </p>
  );
}
