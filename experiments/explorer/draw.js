// Draws one row of the frames (a set of cut pathways, an epsilon) at one step into all panels.
// The same code serves the page of the server and the exported file.

export default ({frames, facts, now, said, panels, epsilon, time, cuts, layout}) => {
  if (frames.data.input === undefined || frames.data.input.length === 0) return
  const fact = (name) => facts.data[name][0]
  const steps = fact("steps")
  const t = Math.min(time.value, steps - 1)
  const off = fact("kinds").filter((kind) => kind in cuts && !cuts[kind].active).sort()
  const cut = fact("cuts").findIndex((each) => each.join() === off.join())
  const epsilons = fact("epsilons")
  const chosen = Math.max(0, epsilon.categories.indexOf(epsilon.value))
  const clean = cut * epsilons.length
  const row = clean + Math.min(chosen, epsilons.length - 1)
  const at = (name, which) => frames.data[name][which]
  const all = Array.from({length: steps}, (_, step) => step)

  now.data = {step: [t], along: [layout.active === 1 ? NaN : (t + 0.5) / steps]}
  drawPictures()
  drawDecision()
  drawActivity()
  drawPath()
  drawDrive()

  function drawPictures() {
    panels.clean.data = {image: [at("input", clean)]}
    panels.shown.data = {image: [at("input", row)]}
    panels.change.data = {image: [at("change", row)]}
    const most = at("change", row).reduce((far, each) => Math.max(far, Math.abs(each)), 0)
    panels.changeMapper.setv({low: -(most || 1), high: most || 1})
    panels.changeTitle.text = most ? `Change: ±${most.toPrecision(2)}` : "Change: none"
  }

  function drawDecision() {
    const says = (which) => Array.from(at("answer", which), (each) => each < 0 ? "" : `${each}`)
    panels.decision.data = {
      step: all,
      clean: at("margin", clean), says_clean: says(clean),
      perturbed: at("margin", row), says_perturbed: says(row),
    }
    const evidence = (which) => Array.from(at("evidence", which).slice(10 * t, 10 * (t + 1)))
    const classes = Array.from({length: 10}, (_, each) => each)
    panels.bars.data = {
      class: classes, left: classes.map((x) => x - 0.2), right: classes.map((x) => x + 0.2),
      clean: evidence(clean), perturbed: evidence(row),
    }
    const answers = [at("answer", clean)[t], at("answer", row)[t]]
    const spoken = (answer) => answer < 0 ? "nothing can have been read yet"
      : `<b>${answer}</b> (${answer === fact("label") ? "right" : "wrong"})`
    said.text = `Step ${t} of ${steps - 1}<br>clean: ${spoken(answers[0])}<br>`
      + `perturbed: ${spoken(answers[1])}`
  }

  // Every area in a band of its own: its units through time, or as a map of this step.
  function drawActivity() {
    const shapes = fact("shapes"), areas = fact("areas"), band = 1 / areas.length
    const {inner_width, inner_height} = panels.activityFigure
    const aspect = inner_width / (inner_height * band)
    const laid = shapes.map((shape) => layout.active === 1 ? tiled(shape, aspect) : null)
    const wide = laid.map((tiles) => tiles ? Math.min(1, tiles.aspect / aspect) : 1)
    const place = {
      area: areas,
      x: wide.map((each) => (1 - each) / 2), dw: wide,
      y: areas.map((_, i) => 1 - (i + 0.97) * band), dh: areas.map(() => 0.94 * band),
    }
    const images = (which) => areas.map((area, i) => {
      const values = at(`output ${area}`, which)
      return laid[i] ? map(values, laid[i]) : table(values)
    })
    const before = images(clean), after = images(row)
    const differ = after.map((rows, i) => rows.map((line, j) => line.map((each, k) => each - before[i][j][k])))
    panels.before.data = {image: before, ...place}
    panels.after.data = {image: after, ...place}
    panels.differ.data = {image: differ, ...place}
    for (const axis of panels.stepAxes) axis.visible = layout.active === 0
  }

  function table(values) {
    const units = values.length / steps
    return Array.from({length: units}, (_, i) => Array.from(values.slice(i * steps, (i + 1) * steps)))
  }

  // Channels side by side, each a map; units without a place are maps of one pixel.
  function tiled(shape, aspect) {
    const [channels, height, width] = shape.length === 3 ? shape : [shape[0], 1, 1]
    const columns = Math.min(channels, Math.ceil(Math.sqrt(channels * aspect * height / width)))
    const rows = Math.ceil(channels / columns)
    return {channels, height, width, columns, rows, aspect: (columns * width) / (rows * height)}
  }

  function map(values, {channels, height, width, columns, rows}) {
    return Array.from({length: rows * height}, (_, y) => Array.from({length: columns * width}, (_, x) => {
      const channel = Math.floor(y / height) * columns + Math.floor(x / width)
      const unit = (channel * height + y % height) * width + x % width
      return channel < channels ? values[unit * steps + t] : NaN
    }))
  }

  function drawPath() {
    const axis = (which, i) => all.map((step) => at("path", which)[2 * step + i])
    panels.path.data = {
      x_clean: axis(clean, 0), y_clean: axis(clean, 1),
      x_perturbed: axis(row, 0), y_perturbed: axis(row, 1),
      size: all.map((step) => step === t ? 13 : 5), step: all,
    }
  }

  function drawDrive() {
    const kinds = fact("kinds"), data = {at: [], alpha: []}
    for (const kind of panels.kinds) data[`bottom ${kind}`] = [], data[`top ${kind}`] = []
    for (const area of fact("driven")) {
      for (const step of all) {
        data.at.push([area, `${step}`])
        data.alpha.push(step === t ? 1 : 0.45)
        let up = 0, down = 0
        for (const kind of panels.kinds) {
          const place = kinds.indexOf(kind)
          const share = place < 0 ? 0 : at(`drive ${area}`, row)[step * kinds.length + place]
          const from = share < 0 ? down : up
          data[`bottom ${kind}`].push(from)
          data[`top ${kind}`].push(from + share)
          if (share < 0) down += share
          else up += share
        }
      }
    }
    panels.drive.data = data
  }
}
