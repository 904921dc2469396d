"""How the page looks: on a phone and a desk, in the light and in the dark, and on paper."""

STYLE = """:root { color-scheme: light dark; --ink: light-dark(#1c2430, #e6e9ee); --paper: light-dark(#ffffff, #14181f);
  --soft: light-dark(#566070, #a8b2c0); --line: light-dark(#dfe3e8, #313945); --tint: 37 99 175;
  --card: light-dark(#f5f7fa, #1b212a); --warn: light-dark(#9a3412, #fdba74); --link: light-dark(#0b5394, #8ab8f0); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { margin: 0 auto; max-width: 72rem; padding: 1rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .8rem; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(15rem, 100%), 1fr)); gap: 1.1rem 1.5rem;
  margin: 0 0 1rem; }
dt { color: var(--soft); font-size: .9rem; }
dd { margin: 0; font-size: 1.25rem; line-height: 1.3; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dd span { font-size: 1rem; color: var(--soft); white-space: nowrap; }
dd.meaning, dd.warning { color: var(--soft); font-size: .85rem; line-height: 1.4; margin-top: .15rem; }
p { max-width: 46rem; color: var(--soft); font-size: .95rem; margin: .6rem 0; overflow-wrap: anywhere; }
p.say { color: var(--ink); font-size: 1.05rem; }
p.warning, dd.warning { color: var(--warn); }
#state { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .2rem 1.2rem 1rem; }
#state h2 { margin-top: 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; list-style: none; margin: 1.2rem 0 0; padding: 0;
  font-size: .95rem; }
a { color: var(--link); }
.wide { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .55rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
.text { text-align: left; white-space: normal; min-width: 9rem; }
td[style] { background: rgb(var(--tint) / calc(var(--tone) * .55)); }
td.partial { background: none; color: var(--soft); font-style: italic; }
figure { margin: 1rem 0; max-width: 46rem; background: #ffffff; border: 1px solid var(--line); border-radius: .4rem;
  padding: .5rem; }
figure { overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 30rem; height: auto; }
figcaption { color: #566070; font-size: .85rem; padding: .3rem .4rem 0; }
@media print { :root { color-scheme: light; } main { max-width: none; font-size: 11px; padding: 0; }
  nav { display: none; } figure, dl > div, tr, p { break-inside: avoid; } h2 { break-after: avoid; }
  figure svg { min-width: 0; } .wide { overflow: visible; }
  table { font-size: 8px; } th, td { padding: .1rem .25rem; } }
"""
