// Keeps the end of a list in sight as the list grows and as the window is resized, unless the
// visitor has scrolled back to read. Returns a function to call after each change of the list.

const NEAR = 40; // pixels from the end that still count as the end

export function follow(scroll, list) {
  let following = true;
  let settled = "";
  const layout = () => `${scroll.clientWidth} ${scroll.clientHeight} ${scroll.scrollHeight}`;

  function settle() {
    // A list with nothing to scroll, one that was cleared for example, is followed again.
    if (scroll.scrollHeight <= scroll.clientHeight) following = true;
    if (following) scroll.scrollTop = scroll.scrollHeight;
    settled = layout();
  }

  scroll.addEventListener("scroll", () => {
    // A browser also scrolls when it lays the list out anew. Once the layout has settled, it is the
    // visitor who scrolls.
    if (layout() !== settled) return;
    following = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;
  });
  const observer = new ResizeObserver(settle);
  observer.observe(scroll);
  observer.observe(list);
  return settle;
}
