"""The style of the page: one sheet, light and dark, from a telephone's width to a desk's."""

from __future__ import annotations

__all__ = ["DARK", "LIGHT", "STYLE"]

LIGHT = {
    "paper": "#fbfbfa",
    "card": "#ffffff",
    "ink": "#1b1f24",
    "soft": "#59626d",
    "line": "#e3e5e8",
    "grid": "#eceef0",
    "gap": "#f4f0e6",
    "code": "#f5f6f7",
    "message": "#2d6cab",
    "reasoning": "#7657b3",
    "call": "#9a5b12",
    "tool": "#27745a",
    "other": "#5f6874",
    "good": "#1d7449",
    "warn": "#8f5c00",
    "bad": "#b0342c",
}
DARK = {
    "paper": "#141619",
    "card": "#1a1d21",
    "ink": "#e7e9eb",
    "soft": "#a3abb5",
    "line": "#2c3137",
    "grid": "#23272c",
    "gap": "#26241d",
    "code": "#1f2327",
    "message": "#7fb3ea",
    "reasoning": "#b8a1ec",
    "call": "#dfaa6b",
    "tool": "#74c6a3",
    "other": "#9fa8b3",
    "good": "#70cd98",
    "warn": "#e0b35f",
    "bad": "#f08d83",
}
"""Each colour has a name and two values. Text has a contrast of 4.5 at least with what it stands on,
marks one of 3 (WCAG 2.2, 1.4.3 and 1.4.11); tests compute it."""


def named(colours: dict[str, str]) -> str:
    """Colours as custom properties."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI","Helvetica Neue","Noto Sans","Liberation Sans",sans-serif}
code,pre,.mono{font-family:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
code,.mono{font-size:.867em;overflow-wrap:anywhere}
header,main,footer{max-width:68rem;margin:0 auto;padding:0 clamp(1rem,4vw,2.5rem)}
header{padding-top:clamp(1.5rem,5vw,3.25rem)}
h1{margin:0;font-size:clamp(1.45rem,4vw,2rem);line-height:1.2;font-weight:620;letter-spacing:-.017em;
overflow-wrap:anywhere}
h2{margin:0 0 1rem;font-size:1.0625rem;font-weight:620;letter-spacing:-.005em}
h3{margin:0;font-size:.9375rem;font-weight:600}
a{color:inherit;text-decoration-color:var(--soft);text-underline-offset:.2em;text-decoration-thickness:1px}
a:hover{text-decoration-color:currentColor}
:focus-visible{outline:2px solid var(--message);outline-offset:3px;border-radius:3px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.25rem .75rem;z-index:1}
.over{display:flex;flex-wrap:wrap;gap:.35rem .9rem;align-items:center;margin:0 0 .7rem;color:var(--soft);
font-size:.8667rem}
.outcome{display:inline-flex;align-items:center;gap:.5em;font-weight:600;color:var(--bad)}
.outcome::before{content:"";width:.6em;height:.6em;border-radius:50%;background:currentColor}
.outcome.completed{color:var(--good)}
.outcome.incomplete,.outcome.cancelled{color:var(--warn)}
.notes{margin:1rem 0 0;padding:0;list-style:none;color:var(--soft);font-size:.8667rem}
.id{margin:.45rem 0 0;color:var(--soft);font-size:.8667rem}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.25rem,1fr));gap:1.1rem 1.5rem;
margin:1.75rem 0 0;padding:1.25rem 0;border:solid var(--line);border-width:1px 0}
.facts div{min-width:0}
dt{color:var(--soft);font-size:.8rem}
dd{margin:.1rem 0 0;font-size:1.1875rem;font-weight:560;letter-spacing:-.01em;
font-variant-numeric:tabular-nums}
dd small{display:block;font-size:.8rem;font-weight:400;letter-spacing:0;color:var(--soft);line-height:1.4}
section{margin-top:2.75rem}
.fault{margin-top:1.5rem;padding:.15rem 0 .15rem 1rem;border-left:3px solid var(--bad)}
.fault p{margin:0;overflow-wrap:anywhere}
.fault p+p{color:var(--soft);font-size:.8667rem}
.lanes{list-style:none;margin:0;padding:0}
.lane{display:grid;grid-template-columns:minmax(0,13.5rem) minmax(0,1fr);column-gap:1.5rem;align-items:center}
.lane svg{display:block;width:100%;height:46px;overflow:visible}
.axis svg{height:26px}
.label{min-width:0;line-height:1.3;padding:.3rem 0}
.label b{display:block;font-weight:550;font-size:.9rem;
white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.label a{text-decoration:none}
.label a:hover{text-decoration:underline}
.label small{display:block;color:var(--soft);font-size:.78rem;font-variant-numeric:tabular-nums;
white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
svg text{fill:var(--soft);
font:11.5px system-ui,-apple-system,"Segoe UI","Noto Sans","Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums}
.grid{stroke:var(--grid)}
.gap{fill:var(--gap)}
.again{stroke:var(--soft);stroke-dasharray:3 3}
.finish{stroke:var(--bad);stroke-width:2}
.finish.completed{stroke:var(--good)}
.finish.incomplete,.finish.cancelled{stroke:var(--warn)}
.whole{fill:var(--line)}
.beat{fill:var(--card);stroke:var(--soft);stroke-width:1.25}
.message{--mark:var(--message)}.reasoning{--mark:var(--reasoning)}.call{--mark:var(--call)}
.tool{--mark:var(--tool)}.other{--mark:var(--other)}
.bar{fill:var(--mark);fill-opacity:.13;stroke:var(--mark);stroke-opacity:.75}
.bar.open{stroke-dasharray:4 3}
.tick{fill:var(--mark)}
.flag{fill:var(--warn)}
.flag.bad{fill:var(--bad)}
svg .flag text{fill:var(--warn)}
svg .flag.bad text{fill:var(--bad)}
.flag:hover text{text-decoration:underline}
.key{display:flex;flex-wrap:wrap;gap:.35rem 1.25rem;margin:.9rem 0 0;padding:0;list-style:none;
color:var(--soft);font-size:.8rem}
.key li{display:flex;align-items:center;gap:.5em}
.key svg{width:14px;height:14px}
.item,.found{margin:0 0 1.1rem;padding:0 0 0 1.05rem;border-left:3px solid var(--mark,var(--line))}
.found{--mark:var(--warn)}
.item:target,.found:target{background:var(--card);
box-shadow:0 0 0 .6rem var(--card),0 0 0 calc(.6rem + 1px) var(--line);
border-radius:2px}
.about{margin:.1rem 0 0;color:var(--soft);font-size:.8333rem}
.said,.raw{margin:.55rem 0 0;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}
.said{max-height:26rem;overflow:auto;font-size:.95rem}
p.said{max-width:46rem}
.reasoning .said{color:var(--soft)}
pre.said,.raw{padding:.65rem .8rem;background:var(--code);border-radius:5px;
font-size:.8125rem;line-height:1.5}
.raw{max-height:18rem;overflow:auto}
.kind{display:block;margin-top:.6rem;color:var(--soft);font-size:.78rem}
ol.findings{list-style:none;margin:0;padding:0}
.found p{margin:.2rem 0 0;max-width:46rem}
summary{cursor:pointer;width:fit-content;margin-top:.4rem;color:var(--soft);font-size:.8333rem}
summary:hover{color:var(--ink)}
.none{margin:0;color:var(--soft)}
footer{margin-top:3.5rem;padding-top:1rem;padding-bottom:2.5rem;color:var(--soft);font-size:.8rem}
@media (max-width:46rem){
.lane{grid-template-columns:minmax(0,1fr)}
.lane svg{height:34px}
.axis svg{height:26px}
.label{display:flex;gap:.6rem;align-items:baseline;padding:.45rem 0 0}
.label b{flex:0 1 auto}.label small{flex:1 0 auto}
.axis .label{display:none}
.flag text{display:none}
.facts{grid-template-columns:repeat(2,minmax(0,1fr))}
}
@media print{.said,.raw{max-height:none}}
"""
STYLE = (
    f":root{{color-scheme:light dark;{named(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{named(DARK)}}}}}{RULES}"
)
