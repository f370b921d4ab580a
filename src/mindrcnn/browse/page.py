"""The HTML page of a look at a data set: one file, without anything from elsewhere, beside a folder of pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from mindrcnn.outputs import MARK

STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
body { margin: 0 1.2rem 2rem }
header { position: sticky; top: 0; padding: .6rem 0; background: Canvas; border-bottom: 1px solid #8888; z-index: 1 }
h1 { font-size: 1.2rem; margin: 0 0 .4rem }
h2 { font-size: 1.1rem; margin: 1.2rem 0 .2rem }
label { margin-right: 1rem; white-space: nowrap }
figure { margin: .8rem 0; padding-bottom: .8rem; border-bottom: 1px solid #8884 }
figure[hidden] { display: none }
.pair { display: flex; gap: .6rem; align-items: flex-start; flex-wrap: wrap }
.pair a { flex: 1 1 20rem; max-width: 64rem; text-align: center; font-size: .85rem; color: inherit }
.pair img { display: block; width: 100% }
.raw-only .network, .network-only .raw { display: none }
figcaption { overflow-wrap: anywhere }
.note { opacity: .75; font-size: .9rem }
.missing { outline: 3px solid #d00 }
"""

SCRIPT = """
const figures = [...document.querySelectorAll('figure')];
const controls = { class: document.querySelector('#class'), show: document.querySelector('#show') };
function apply() {
  let shown = 0;
  for (const figure of figures) {
    const has = !controls.class.value || JSON.parse(figure.dataset.classes).includes(controls.class.value);
    figure.hidden = !has;
    shown += has;
  }
  document.body.className = controls.show.value;
  document.querySelector('#status').textContent = `${shown} of ${figures.length} images`;
}
function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [name, control] of Object.entries(controls)) {
    const value = given.get(name) ?? '';
    control.value = [...control.options].some(option => option.value === value) ? value : '';
  }
  apply();
}
function write() {
  const chosen = Object.entries(controls).filter(([, control]) => control.value);
  const address = '#' + new URLSearchParams(chosen.map(([name, control]) => [name, control.value]));
  history.replaceState(null, '', address);
  apply();
}
for (const control of Object.values(controls)) control.addEventListener('change', write);
addEventListener('hashchange', read);
for (const image of document.images) {
  const check = () => image.classList.toggle('missing', !image.naturalWidth);
  image.complete ? check() : (image.addEventListener('load', check), image.addEventListener('error', check));
}
document.querySelector('#controls').hidden = false;
read();
"""


@dataclass(frozen=True)
class Entry:
    """One image of the page.

    name: its file's name.
    facts: what is said below it.
    pictures: the addresses of its pictures, relative to the page: raw and network; none for an unreadable image.
    classes: the classes of its objects.
    """

    name: str
    facts: Sequence[str]
    pictures: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """One split: its name, what is said of it, and its images."""

    name: str
    facts: str
    entries: Sequence[Entry]


CAPTIONS = {"raw": "as annotated", "network": "as the network gets it"}


def page_html(title: str, sections: Sequence[Section]) -> str:
    """Returns the page as HTML. Names of files and classes may contain anything."""
    classes = list(dict.fromkeys(name for part in sections for entry in part.entries for name in entry.classes))
    options = "".join(f'<option value="{escape(name)}">{escape(name)}</option>' for name in sorted(classes))
    body = "\n".join(_section_html(section) for section in sections)
    return f"""<!doctype html>
<!-- {MARK} -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<div id="controls" hidden>
<label>class <select id="class"><option value="">all</option>{options}</select></label>
<label>show <select id="show"><option value="">both</option><option value="raw-only">as annotated</option>
<option value="network-only">as the network gets it</option></select></label>
<span id="status" class="note"></span>
</div>
</header>
{body}
<script>{SCRIPT}</script>
</body>
</html>
"""


def _section_html(section: Section) -> str:
    entries = "\n".join(_entry_html(entry) for entry in section.entries)
    return f'<h2>{escape(section.name)}</h2>\n<div class="note">{escape(section.facts)}</div>\n{entries}'


def _entry_html(entry: Entry) -> str:
    pictures = "".join(
        f'<a class="{kind}" href="{escape(address)}"><img src="{escape(address)}" alt="">{CAPTIONS[kind]}</a>'
        for kind, address in entry.pictures.items()
    )
    facts = "".join(f'<div class="note">{escape(fact)}</div>' for fact in entry.facts)
    classes = escape(json.dumps(list(entry.classes)))
    return (
        f'<figure data-classes="{classes}"><div class="pair">{pictures}</div>'
        f"<figcaption>{escape(entry.name)}{facts}</figcaption></figure>"
    )
