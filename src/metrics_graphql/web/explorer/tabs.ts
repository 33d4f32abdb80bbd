/** Makes GraphiQL's tabs what they are: a list of buttons, of which one is the current. */

/**
 * GraphiQL marks each as a tab and puts a button to close it inside, where a screen reader reaches
 * nothing. React sets the mark again when another one is chosen, so changes are watched.
 */
export function mendTabs(page: HTMLElement): void {
  const mend = () => {
    page.querySelector("[role=tablist]")?.removeAttribute("role");
    for (const tab of page.querySelectorAll(".graphiql-tab[aria-selected]")) {
      tab.querySelector(".graphiql-tab-button")?.setAttribute("aria-current", tab.getAttribute("aria-selected")!);
      tab.removeAttribute("aria-selected");
      tab.removeAttribute("role");
    }
  };
  const watched = { subtree: true, childList: true, attributeFilter: ["aria-selected", "role"] };
  new MutationObserver(mend).observe(page, watched);
}
