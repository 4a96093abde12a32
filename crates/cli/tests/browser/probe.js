// Describes a page as it is laid out: its sections with the kinds of their contents, where headings and figures are,
// and text that cannot be read because it is outside of the window or of its chart.
(() => {
  const kinds = { svg: "chart", img: "picture", table: "table", dl: "list", pre: "text" };
  const box = element => {
    const own = element.getBoundingClientRect();
    return [own.left, own.top, own.right, own.bottom].map((side, axis) => side + (axis % 2 ? scrollY : scrollX));
  };
  const isVisible = element => element.checkVisibility() && element.getBoundingClientRect().width > 0;
  const scrolls = element =>
    element && (["auto", "scroll"].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
  const outside = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || !isVisible(parent) || parent.closest(".skip, script, style")) continue;
    const chart = parent.closest("svg");
    if (!chart && scrolls(parent)) continue;
    const { left, right } = chart && scrolls(chart) ? chart.getBoundingClientRect() : { left: 0, right: innerWidth };
    const range = document.createRange();
    range.selectNodeContents(node);
    const isOutside = own => own.left < left - 1 || own.right > right + 1;
    if ([...range.getClientRects()].some(isOutside)) outside.push(node.data.trim());
  }
  const sections = [...document.querySelectorAll("section")].map(section => {
    const found = [...section.querySelectorAll(Object.keys(kinds).join())].map(own => kinds[own.localName]);
    const heading = section.querySelector("h2");
    return { id: section.id, heading: heading.textContent, title: box(heading), kinds: [...new Set(found)] };
  });
  const figures = [...document.querySelectorAll("svg, img")].filter(isVisible).map(box);
  const { scrollWidth: width, scrollHeight: height } = document.documentElement;
  return { width, height, sections, figures, outside };
})()
