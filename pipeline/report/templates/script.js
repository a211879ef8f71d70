"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let asked = null; // light or dark, once a person has asked for it
  const views = [];

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

  // The charts take their colours from the page.
  const config = (width) => {
    const [ink, soft, line] = ["ink", "soft", "line"].map(colour);
    const words = { labelColor: soft, titleColor: soft, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400 };
    return {
      background: null, font: colour("sans"), padding: 2,
      range: {
        category: ["one", "two", "three", "four"].map(colour),
        heatmap: [colour("heat-low"), colour("heat-high")], ramp: [colour("heat-low"), colour("heat-high")],
        symbol: ["diamond", "circle", "triangle-up", "square"],
      },
      view: { stroke: null }, mark: { color: colour("one") },
      axis: { ...words, domainColor: line, tickColor: line, gridColor: line, gridOpacity: 0.6, labelOverlap: "parity", labelSeparation: 4 },
      legend: { ...words, labelColor: ink, orient: "top", columns: width < 460 ? 2 : 0, labelLimit: 150, symbolSize: 80, labelFontSize: 13 },
      text: { color: ink }, rule: { color: soft },
    };
  };

  const draw = async () => {
    while (views.length) views.pop().finalize();
    root.dataset.charts = "drawing";
    for (const place of document.querySelectorAll(".plot")) {
      const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
      try {
        const made = await vegaEmbed(place, spec, { config: config(place.clientWidth), actions: false, renderer: "svg", ast: false });
        views.push(made);
        // The place itself is the picture; what Vega adds would be read out a second time.
        place.querySelector("svg")?.setAttribute("aria-hidden", "true");
        place.style.minHeight = "";
      } catch (error) {
        place.textContent = "This chart could not be drawn.";
        console.error(place.dataset.spec, error);
      }
    }
    root.dataset.charts = "drawn";
  };

  const theme = () => {
    root.dataset.theme = asked || (dark.matches ? "dark" : "light");
    return draw();
  };
  document.getElementById("theme").addEventListener("click", () => {
    asked = root.dataset.theme === "dark" ? "light" : "dark";
    theme();
  });
  dark.addEventListener("change", theme);

  // The part that is being read is marked above.
  const links = new Map([...document.querySelectorAll(".top nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((found) => {
    for (const one of found) {
      if (!one.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(one.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const section of document.querySelectorAll("main > section")) seen.observe(section);

  theme();
})();
