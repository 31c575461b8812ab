// Space plays, left and right step through time, up and down through the epsilons: unless a widget
// that has a use of its own for the key is focused.
export default ({play, time, epsilon}) => {
  if (window.explorerKeys) return
  window.explorerKeys = true
  const bounded = (value, low, high) => Math.min(high, Math.max(low, value))
  const step = (by) => { time.value = bounded(time.value + by, time.start, time.end) }
  const budget = (by) => {
    const there = epsilon.categories
    epsilon.value = there[bounded(there.indexOf(epsilon.value) + by, 0, there.length - 1)]
  }
  const acts = {
    " ": () => { play.active = !play.active },
    ArrowLeft: () => step(-1), ArrowRight: () => step(1),
    ArrowUp: () => budget(1), ArrowDown: () => budget(-1),
  }
  document.addEventListener("keydown", (event) => {
    const on = event.composedPath()[0]
    const busy = ["INPUT", "SELECT", "TEXTAREA", "A"].includes(on.tagName)
      || (on.tagName === "BUTTON" && event.key === " ") || on.getAttribute?.("role") === "slider"
    if (busy || !(event.key in acts)) return
    event.preventDefault()
    acts[event.key]()
  })
}
