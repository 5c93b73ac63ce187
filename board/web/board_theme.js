// The light of Airflow's UI, which a person may choose against that of their machine; alone, that of the machine.

const outer = window.parent === window ? null : window.parent.document.documentElement;
const machine = matchMedia("(prefers-color-scheme: dark)");

const light = () => {
  if (outer?.classList.contains("dark")) return "dark";
  return outer?.classList.contains("light") || !machine.matches ? "light" : "dark";
};

// Calls with "light" or "dark" now, and whenever it changes.
export function followLight(told = () => {}) {
  const follow = () => {
    document.documentElement.dataset.light = light();
    told(light());
  };
  machine.addEventListener("change", follow);
  if (outer) new MutationObserver(follow).observe(outer, { attributeFilter: ["class"] });
  follow();
}
