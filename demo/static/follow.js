// Keeps the end of a list in sight as it grows and as the window is resized, unless the visitor has
// scrolled back to read. Gives what to call after each change of the list.

const NEAR = 40; // pixels from the end that still count as the end

export function follow(scroll, list) {
  let following = true;
  let settled = "";
  const layout = () => `${scroll.clientWidth} ${scroll.clientHeight} ${scroll.scrollHeight}`;

  function settle() {
    // Nothing to scroll: a list that was cleared is followed again.
    if (scroll.scrollHeight <= scroll.clientHeight) following = true;
    if (following) scroll.scrollTop = scroll.scrollHeight;
    settled = layout();
  }

  scroll.addEventListener("scroll", () => {
    // A browser scrolls, too, when it lays the list out anew. Only in a layout that has settled is
    // it the visitor's doing.
    if (layout() !== settled) return;
    following = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;
  });
  const observer = new ResizeObserver(settle);
  observer.observe(scroll);
  observer.observe(list);
  return settle;
}
