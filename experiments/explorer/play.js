// Steps through time for as long as the button is down, over and over.
export default ({play, time}) => {
  clearInterval(window.explorerTimer)
  play.label = play.active ? "❚❚ pause" : "▶ play"
  if (play.active) {
    window.explorerTimer = setInterval(() => {
      time.value = time.value >= time.end ? time.start : time.value + 1
    }, 600)
  }
}
