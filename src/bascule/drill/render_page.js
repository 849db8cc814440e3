// Draws every chart of the page. Runs inside the Vega bundle's module: `vegaEmbed` is in scope; nothing is ever loaded.
const font = getComputedStyle(document.documentElement).fontFamily;
const quiet = { labelColor: "var(--ink-2)", titleColor: "var(--ink-2)", labelFont: font, titleFont: font, labelFontSize: 11 };
const config = {
  background: "transparent",
  font: font,
  view: { stroke: null },
  axis: {
    ...quiet, titleFontSize: 11, titleFontWeight: "normal", gridColor: "var(--line)", domainColor: "var(--rule)",
    tickColor: "var(--rule)",
  },
  axisY: { minExtent: 150, titleX: -44 },
  legend: { ...quiet, symbolSize: 90 },
  text: { font: font },
};
const closed = { load: () => Promise.reject(new Error("this page loads nothing")), sanitize: () => Promise.reject(new Error("no links")) };
const options = { ast: true, actions: false, renderer: "svg", defaultStyle: false, config: config, loader: closed, tooltip: { disableDefaultStyle: true } };
(async () => {
  for (const holder of document.querySelectorAll("[data-chart]")) {
    const spec = JSON.parse(document.getElementById(holder.dataset.chart).textContent);
    try {
      await vegaEmbed(holder, spec, options);
      holder.dataset.drawn = "yes";
    } catch (error) {
      holder.textContent = "The chart could not be drawn: " + error.message + ". Every number is in the tables.";
      holder.dataset.drawn = "no";
    }
  }
  document.documentElement.dataset.charts = "done";
})();
