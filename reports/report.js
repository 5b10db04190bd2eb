"use strict";
(function () {
  const narrow = () => window.innerWidth < 640;
  const shade = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  let webgl;
  function hasWebGL() {
    if (webgl === undefined) {
      try { webgl = Boolean(document.createElement("canvas").getContext("webgl")); } catch (error) { webgl = false; }
    }
    return webgl;
  }

  // Without WebGL a surface cannot be drawn; the same numbers as a heat map can.
  function flatten(figure) {
    for (const trace of figure.data) {
      if (trace.type !== "surface" || hasWebGL()) continue;
      trace.type = "heatmap";
      figure.layout.xaxis = { title: figure.layout.scene.xaxis.title };
      figure.layout.yaxis = { type: "date", automargin: true };
      figure.layout.margin = { l: 70, r: 10, t: 10, b: 44 };
      delete figure.layout.scene;
    }
  }

  function repaint(layout) {
    const ink = shade("--ink"), soft = shade("--soft"), grid = shade("--grid");
    layout.font = Object.assign({}, layout.font, { color: ink, size: narrow() ? 11 : 12 });
    layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink };
    layout.hoverlabel = { bgcolor: shade("--paper"), bordercolor: soft, font: { color: ink, size: 12 } };
    const axes = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key)).map((key) => layout[key]);
    for (const axis of axes.concat(layout.scene ? [layout.scene.xaxis, layout.scene.yaxis, layout.scene.zaxis] : [])) {
      Object.assign(axis, { gridcolor: grid, linecolor: grid, tickcolor: grid, zerolinecolor: soft });
    }
    for (const slider of layout.sliders || []) {
      Object.assign(slider, { bgcolor: grid, bordercolor: grid, activebgcolor: soft });
      slider.currentvalue.font = { color: ink, size: 12 };
    }
    for (const menu of layout.updatemenus || []) {
      Object.assign(menu, { bgcolor: shade("--panel"), bordercolor: grid, font: { color: ink, size: 12 } });
    }
  }

  // A phone has no room for wide margins, and a finger on a figure must scroll the page.
  function fit(layout) {
    if (!narrow()) return;
    layout.margin = Object.assign({}, layout.margin, { l: Math.min(48, layout.margin.l), r: 6 });
    layout.dragmode = false;
    for (const key of Object.keys(layout)) {
      if (/^xaxis\d*$/.test(key)) layout[key].nticks = 5;
      if (/^yaxis\d*$/.test(key) && layout[key].title) layout[key].title.standoff = 2;
    }
    if (layout.scene) {
      layout.scene.dragmode = false;
      layout.height = 310;
      const eye = layout.scene.camera.eye;
      for (const way of ["x", "y", "z"]) eye[way] *= 1.35;
      layout.scene.xaxis.nticks = 4;
    }
  }

  function draw(holder) {
    if (holder.dataset.drawn) return;
    const source = document.querySelector('script[data-figure="' + holder.id + '"]');
    const figure = JSON.parse(source.textContent);
    flatten(figure);
    repaint(figure.layout);
    fit(figure.layout);
    if (narrow()) for (const trace of figure.data) if (trace.type === "surface") trace.showscale = false;
    holder.style.height = figure.layout.height + "px";
    holder.dataset.drawn = "yes";
    Plotly.newPlot(holder, figure.data, figure.layout, {
      responsive: true, displaylogo: false, displayModeBar: !narrow() && window.matchMedia("(hover: hover)").matches ? "hover" : false, showSendToCloud: false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    });
  }

  if (narrow()) for (const part of document.querySelectorAll(".notice details")) part.removeAttribute("open");

  // A figure inside a closed part has no width yet: it is drawn when the part opens.
  const holders = Array.from(document.querySelectorAll(".figure"));
  for (const holder of holders) if (!holder.closest("details:not([open])")) draw(holder);
  for (const part of document.querySelectorAll("details")) {
    part.addEventListener("toggle", () => part.querySelectorAll(".figure").forEach(draw));
  }
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const holder of holders) {
      if (!holder.dataset.drawn) continue;
      repaint(holder.layout);
      Plotly.relayout(holder, holder.layout);
    }
  });
})();
