sheet.classList.add("seekable");
for (const clip of clips) {
  const audio = clip.querySelector("audio"), drawing = clip.querySelector("svg"), head = drawing.querySelector(".playhead");
  const left = Number(drawing.dataset.left), span = Number(drawing.dataset.span), seconds = Number(drawing.dataset.seconds);
  const place = () => {
    head.setAttribute("visibility", "visible");
    head.setAttribute("transform", `translate(${span * Math.min(audio.currentTime / seconds, 1)} 0)`);
    if (!audio.paused) requestAnimationFrame(place);
  };
  audio.addEventListener("play", () => {
    for (const other of clips) if (other !== clip) other.querySelector("audio").pause();
    place();
  });
  for (const moved of ["seeking", "timeupdate", "ended"]) audio.addEventListener(moved, () => { if (audio.paused) place(); });
  drawing.addEventListener("click", (event) => {
    const box = drawing.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * drawing.viewBox.baseVal.width;
    audio.currentTime = Math.min(Math.max((x - left) / span, 0), 1) * seconds;
    if (audio.paused) audio.play();
  });
}
