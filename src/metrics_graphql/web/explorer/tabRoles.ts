/** Corrects the ARIA roles of GraphiQL's tabs: they become a list of buttons, one of them current. */

/**
 * GraphiQL gives each tab the role `tab` and nests a close button in it, which screen readers can't
 * reach. React restores the roles when another tab is selected, hence the observer.
 */
export function fixTabRoles(page: HTMLElement): void {
  const fix = () => {
    page.querySelector("[role=tablist]")?.removeAttribute("role");
    for (const tab of page.querySelectorAll(".graphiql-tab[aria-selected]")) {
      tab.querySelector(".graphiql-tab-button")?.setAttribute("aria-current", tab.getAttribute("aria-selected")!);
      tab.removeAttribute("aria-selected");
      tab.removeAttribute("role");
    }
  };
  const mutations = { subtree: true, childList: true, attributeFilter: ["aria-selected", "role"] };
  new MutationObserver(fix).observe(page, mutations);
}
