// The page's style sheet: one ink and one accent a precision, in light and in dark.
#pragma once

namespace tour {

inline constexpr const char* page_style = R"css(
:root {
  --paper: #fcfcfb; --panel: #ffffff; --ink: #1b1f24; --soft: #59616b; --rule: #e2e4e8; --tick: #b9bec6;
  --fp32: #1b1f24; --bf16: #3f6fb0; --fp16: #1c8391; --fp8: #55812f;
  --int8: #a76a0c; --int4: #c0392b; --mixed: #7a4bab;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --panel: #1a1e23; --ink: #e6e8eb; --soft: #a2a9b3; --rule: #2d333b; --tick: #555d68;
    --fp32: #e6e8eb; --bf16: #86aee6; --fp16: #56c2d0; --fp8: #9acb70;
    --int8: #e2ad48; --int4: #f2806f; --mixed: #bf9aea;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 48px 24px 72px; }
h1 { font-size: clamp(28px, 5vw, 42px); line-height: 1.15; margin: 0 0 14px; letter-spacing: -0.02em;
  font-weight: 650; }
h2 { font-size: 23px; line-height: 1.25; margin: 56px 0 10px; letter-spacing: -0.01em; font-weight: 620; }
h3 { font-size: 15px; margin: 0 0 10px; font-weight: 620; }
p { margin: 0 0 12px; max-width: 68ch; }
header p:last-child, section > p, figcaption, caption, .card span, dd { color: var(--soft); }
.brand { font-size: 14px; font-weight: 620; color: var(--soft); margin: 0 0 8px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 14px;
  margin: 30px 0 0; }
.card { border-top: 2px solid var(--ink); padding: 12px 4px 0 0; }
.card strong { display: block; font-size: 30px; line-height: 1.1; font-weight: 620; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; margin-bottom: 6px; }
.card span { font-size: 14px; line-height: 1.4; display: block; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 20px; }
figure { margin: 0; background: var(--panel); border: 1px solid var(--rule); border-radius: 10px;
  padding: 18px 18px 14px; min-width: 0; }
figcaption { font-size: 13.5px; margin-top: 8px; }
svg { display: block; width: 100%; height: auto; overflow: visible; font: 13px/1 inherit; }
svg text { fill: var(--ink); font-size: 13px; font-variant-numeric: tabular-nums; }
svg .tick { fill: var(--soft); }
svg .name { font-weight: 600; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .power { font-size: 10px; }
.grid { stroke: var(--rule); } .axis { stroke: var(--tick); } .zero { stroke: var(--ink); }
.series { fill: none; stroke: currentColor; stroke-width: 1.9; stroke-linejoin: round; }
.backing { fill: var(--panel); } .fill { fill: currentColor; } .faint { opacity: 0.38; }
.s-fp32 { color: var(--fp32); } .s-bf16 { color: var(--bf16); } .s-fp16 { color: var(--fp16); }
.s-fp8 { color: var(--fp8); } .s-int8 { color: var(--int8); } .s-int4 { color: var(--int4); }
.s-mixed { color: var(--mixed); }
.series.s-fp32 { stroke-width: 2.6; } .series.s-bf16 { stroke-dasharray: 8 4; }
.series.s-fp16 { stroke-dasharray: 2 3; } .series.s-fp8 { stroke-dasharray: 9 3 2 3; }
.series.s-mixed { stroke-dasharray: 4 3; }
.spike { stroke: var(--ink); stroke-width: 1.2; fill: none; opacity: 0.8; }
.spike.own { stroke: var(--int4); stroke-width: 1.7; opacity: 1; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 22px; padding: 0; margin: 4px 0 16px;
  font-size: 14.5px; }
.legend li { display: flex; align-items: center; gap: 8px; }
.legend b { font-weight: 500; color: var(--soft); font-variant-numeric: tabular-nums; }
.swatch { width: 30px; height: 10px; flex: none; display: inline-block; }
.wide { overflow-x: auto; margin: 16px 0 0; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: 13.5px; padding-bottom: 8px; }
th, td { padding: 7px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
thead th { font-weight: 600; color: var(--soft); vertical-align: bottom; white-space: normal; }
th:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 620; }
.sample figcaption { display: flex; align-items: center; gap: 9px; margin: 0 0 8px; color: var(--ink);
  font-weight: 620; font-size: 14.5px; }
pre { margin: 0; font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 20px; margin: 14px 0 0;
  font-size: 14.5px; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 560px) {
  main { padding: 28px 16px 48px; }
  figure { padding: 14px 12px 12px; }
  svg text { font-size: 15px; } svg .power { font-size: 11px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
}
@media print { main { max-width: none; } figure, section { break-inside: avoid; } }
)css";

}  // namespace tour
