/** Colours carry nothing that a word beside them does not; contrast holds in both schemes. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --panel: #f6f8fa; --rule: #d0d7de;
  --active: #1a7f37; --on-active: #ffffff; --announced: #fff3c4; --verify: #ddebfb; --expired: #e7e9ec; --bad: #b3261e; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9aa4af; --paper: #0d1117; --panel: #161b22; --rule: #3a424c;
    --active: #2ea043; --on-active: #04130a; --announced: #4d3f10; --verify: #17385e; --expired: #262c34; --bad: #ff8a80; --warn: #e3b341; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; } h3 { font-size: 1.05rem; margin: 0; }
p { margin: .25rem 0; } .soft { color: var(--soft); }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
section.key { border: 1px solid var(--rule); border-radius: .5rem; padding: 1rem; margin: 1rem 0; background: var(--panel); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
ul.todo { padding-left: 1.2rem; } .bad { color: var(--bad); font-weight: 600; } .warn { color: var(--warn); font-weight: 600; }
.good { color: var(--active); font-weight: 600; }
svg.timeline { width: 100%; min-width: 40rem; height: auto; margin: .75rem 0; }
svg text { font-size: 12px; fill: var(--ink); } svg .label { font-weight: 600; font-size: 13px; }
svg rect { stroke: var(--rule); rx: 3px; } svg .announced rect { fill: var(--announced); stroke-dasharray: 4 3; }
svg .active rect { fill: var(--active); } svg .active text { fill: var(--on-active); font-weight: 600; }
svg .verify-only rect { fill: var(--verify); } svg .expired rect { fill: var(--expired); } svg .expired text { fill: var(--soft); }
svg .suspended rect { fill: var(--panel); stroke: var(--warn); stroke-width: 2; stroke-dasharray: 2 2; }
svg .axis line { stroke: var(--soft); } svg .axis text { fill: var(--soft); font-size: 11px; }
svg .now line { stroke: var(--bad); stroke-width: 1.5; } svg .now text { fill: var(--bad); font-weight: 600; }
svg .due line { stroke: var(--warn); stroke-width: 1.5; stroke-dasharray: 5 3; } svg .due text { fill: var(--warn); font-weight: 600; }
svg .end path { stroke: var(--bad); stroke-width: 3; fill: none; }
@media print { section.key { break-inside: avoid; } }
`
