// Shows a strip's title at once, also on touch; without this script the browser shows the same titles itself.
(() => {
  const tip = document.getElementById("tip");
  for (const strip of document.querySelectorAll(".strips rect")) {
    const title = strip.querySelector("title");
    strip.dataset.tip = title.textContent;
    title.remove();
  }
  const place = (event) => {
    const room = 14;
    const { width, height } = tip.getBoundingClientRect();
    const beside = event.clientX + room + width > innerWidth ? event.clientX - room - width : event.clientX + room;
    const below = event.clientY + room + height > innerHeight ? event.clientY - room - height : event.clientY + room;
    tip.style.left = `${Math.max(4, beside)}px`;
    tip.style.top = `${Math.max(4, below)}px`;
  };
  const show = (event) => {
    const text = event.target.dataset ? event.target.dataset.tip : undefined;
    tip.hidden = text === undefined;
    if (text === undefined) return;
    if (tip.textContent !== text) tip.textContent = text;
    place(event);
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
})();
