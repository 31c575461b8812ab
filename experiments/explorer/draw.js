// Draws one row of the frames (a set of cut pathways, an epsilon) at one step into all panels.
// The same code serves the page of the server and the exported file.

export default ({frames, facts, now, said, panels, epsilon, time, cuts, layout}, changed) => {
  if (!frames.data.input?.length) return
  // Only maps have to fit into a panel of another size.
  if (changed === panels.activityFigure && now.data.step.length && layout.active === 0) return
  const fact = (name) => facts.data[name][0]
  const listed = (length, value) => Array.from({length}, (_, i) => value(i))
  const steps = fact("steps"), budgets = fact("epsilons").length
  const t = Math.min(time.value, steps - 1)
  const off = fact("kinds").filter((kind) => kind in cuts && !cuts[kind].active).sort()
  const clean = fact("cuts").findIndex((cut) => cut.join() === off.join()) * budgets
  const row = clean + Math.max(0, epsilon.categories.indexOf(epsilon.value))
  const at = (name, which) => {
    const all = frames.data[name], shape = all.shape.slice(1)
    const size = all.length / all.shape[0]
    const start = all.byteOffset + which * size * all.BYTES_PER_ELEMENT
    return grid(new Float32Array(all.buffer, start, size), shape)
  }

  now.data = {step: [t], along: [layout.active === 1 ? NaN : (t + 0.5) / steps]}
  pictures()
  decision()
  evidence()
  activity()
  path()
  drive()
  say()

  // The ends of an axis hold all epsilons of these pathways: it stays where it is while they change.
  function fit(range, values, room, ...also) {
    const all = [...also, ...listed(budgets, (e) => values(clean + e)).flat()].filter(Number.isFinite)
    const low = Math.min(...all), high = Math.max(...all)
    const spare = room * (high - low) || 1
    range.setv({start: low - spare, end: high + spare})
  }

  function pictures() {
    const most = Math.max(...Array.from(at("change", row), Math.abs))
    const change = most ? `Change ±${most.toPrecision(2)}` : "Change: none"
    panels.changeMapper.setv({low: -(most || 1), high: most || 1})
    panels.clean.data = {image: [at("input", clean)]}
    panels.shown.data = {image: [at("input", row)]}
    panels.change.data = {image: [at("change", row)]}
    const title = [panels.titles.clean, panels.titles.shown, change]
    panels.captions.data = {...panels.captions.data, title}
  }

  function decision() {
    const lead = (which) => Array.from(at("running_margin", which))
    const says = (which) => Array.from(at("running_answer", which), (each) => each < 0 ? "" : `${each}`)
    const [before, after] = [lead(clean), lead(row)]
    fit(panels.decisionRange, lead, 0.27, 0)
    // Pixels: the upper line is labelled above and the lower one below, so that no labels meet.
    const above = (upper) => upper ? -12 : 13
    panels.decision.data = {
      step: listed(steps, (step) => step),
      clean: before, says_clean: says(clean),
      off_clean: listed(steps, (step) => above(!(before[step] < after[step]))),
      perturbed: after, says_perturbed: says(row),
      off_perturbed: listed(steps, (step) => above(before[step] < after[step])),
    }
  }

  function evidence() {
    const classes = at("evidence", row).length / steps
    const of = (which) => listed(classes, (each) => at("evidence", which)[t * classes + each])
    fit(panels.barsRange, (which) => Array.from(at("evidence", which)), 0.04, 0)
    panels.bars.data = {
      left: listed(classes, (each) => each - 0.2), clean: of(clean),
      right: listed(classes, (each) => each + 0.2), perturbed: of(row),
    }
  }

  // Every area in a band of its own: its units through time, or as a map of this step.
  function activity() {
    const shapes = fact("shapes"), areas = fact("areas"), band = 1 / areas.length
    const {inner_width, inner_height} = panels.activityFigure
    const aspect = inner_width / (inner_height * band)
    const laid = shapes.map((shape) => layout.active === 1 ? tiled(shape, aspect) : null)
    const wide = laid.map((tiles) => tiles ? Math.min(1, tiles.aspect / aspect) : 1)
    const place = {
      area: areas,
      x: wide.map((each) => (1 - each) / 2), dw: wide,
      y: areas.map((_, i) => 1 - (i + 0.98) * band), dh: areas.map(() => 0.96 * band),
    }
    const images = (which) => areas.map((area, i) => {
      const values = at(`output ${area}`, which)
      return laid[i] ? map(values, laid[i]) : values
    })
    const before = images(clean), after = images(row)
    const differ = after.map((image, i) => grid(Array.from(image, (each, k) => each - before[i][k]), image.shape))
    panels.before.data = {image: before, ...place}
    panels.after.data = {image: after, ...place}
    panels.differ.data = {image: differ, ...place}
    for (const axis of panels.stepAxes) axis.visible = layout.active === 0
  }

  function grid(values, shape) {
    return new frames.data.input.constructor(values, shape)
  }

  // Channels side by side, each a map; units without a place are maps of one pixel.
  function tiled(shape, aspect) {
    const [channels, height, width] = shape.length === 3 ? shape : [shape[0], 1, 1]
    const most = Math.min(channels, Math.ceil(Math.sqrt(channels * aspect * height / width)))
    const full = listed(Math.ceil(most / 2), (i) => most - i).find((each) => channels % each === 0)
    const columns = full ?? most
    const rows = Math.ceil(channels / columns)
    return {channels, height, width, columns, rows, aspect: (columns * width) / (rows * height)}
  }

  function map(values, {channels, height, width, columns, rows}) {
    const shape = [rows * height, columns * width]
    return grid(listed(shape[0] * shape[1], (place) => {
      const y = Math.floor(place / shape[1]), x = place % shape[1]
      const channel = Math.floor(y / height) * columns + Math.floor(x / width)
      const unit = (channel * height + y % height) * width + x % width
      return channel < channels ? values[unit * steps + t] : NaN
    }), shape)
  }

  function path() {
    const along = (axis) => (which) => listed(steps, (step) => at("path", which)[2 * step + axis])
    const [x, y] = [along(0), along(1)]
    fit(panels.pathRanges[0], x, 0.06)
    fit(panels.pathRanges[1], y, 0.08)
    panels.path.data = {
      x_clean: x(clean), y_clean: y(clean), x_perturbed: x(row), y_perturbed: y(row),
      size: listed(steps, (step) => step === t ? 13 : 5),
    }
  }

  // Bars that push away are stacked above nought, those that pull back below it.
  function drive() {
    const kinds = fact("kinds"), driven = fact("driven")
    const stack = (which, area, step) => {
      const ends = {up: 0, down: 0}
      const bars = kinds.map((_, k) => {
        const share = at(`drive ${area}`, which)[step * kinds.length + k]
        const side = share < 0 ? "down" : "up"
        const bottom = ends[side]
        ends[side] += share
        return {bottom, top: ends[side]}
      })
      return {bars, ends: [ends.up, ends.down]}
    }
    const places = driven.flatMap((area) => listed(steps, (step) => [area, step]))
    const stacks = places.map((place) => stack(row, ...place))
    fit(panels.driveRange, (which) => places.flatMap((place) => stack(which, ...place).ends), 0.04, 0)
    const data = {
      at: places.map(([area, step]) => [area, `${step}`]),
      alpha: places.map(([_, step]) => step === t ? 1 : 0.45),
    }
    for (const kind of panels.kinds) {
      const k = kinds.indexOf(kind)
      for (const end of ["bottom", "top"]) {
        data[`${end} ${kind}`] = stacks.map(({bars}) => k < 0 ? 0 : bars[k][end])
      }
    }
    panels.drive.data = data
  }

  function say() {
    const spoken = (which) => {
      const answer = at("running_answer", which)[t]
      if (answer < 0) return "nothing read yet"
      return `<b>${answer}</b>, ${answer === fact("label") ? "right" : "wrong"}`
    }
    said.html = `<b>Answer so far</b>, at step ${t} of ${steps - 1}<br>`
      + `<span style="color:${panels.colours[0]}">● clean: ${spoken(clean)}</span><br>`
      + `<span style="color:${panels.colours[1]}">■ perturbed: ${spoken(row)}</span>`
  }
}
