/** The page's document, program and style, made from their sources when the page is first asked for, and kept in memory. */
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type PageBundle, pageBundle } from '#kernel'

export interface PageFile {
  readonly mediaType: string
  readonly octets: Buffer
  /** Its path bears its hash: it never changes. */
  readonly lasting: boolean
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const hashOf = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 20)

/** Of a telephone, by which conferences are told things: consent to a recording, a mute. */
const keys = [...'123456789*0#'].map((key) => `<button type="button" data-key="${key}">${key}</button>`).join('')

const documentOf = (script: string, style: string, evidenceWorker: string, sipCall: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Council</title>
<link rel="stylesheet" href="${style}">
<link rel="icon" href="data:,">
</head>
<body data-evidence-worker="${evidenceWorker}" data-sip-call="${sipCall}">
<header><h1>Council <span id="conference"></span></h1><p id="state" role="status"></p></header>
<main>
<section id="enter">
<p>Others hear you as soon as you join.</p>
<label><input type="checkbox" id="camera"> with camera</label>
<button id="join" type="button">Join</button>
</section>
<section id="council" hidden>
<div id="controls">
<button id="mute" type="button" aria-pressed="false">Mute</button>
<button id="hand" type="button" aria-pressed="false">Raise hand</button>
<button id="leave" type="button">Leave</button>
</div>
<details id="keys"><summary>Keys</summary><div>${keys}</div></details>
<video id="picture" autoplay playsinline muted hidden></video>
<audio id="sound" autoplay></audio>
<h2>In the conference</h2>
<ul id="roster"></ul>
<h2>What it is about</h2>
<p id="hazards"></p>
<ul id="escalations"></ul>
<ul id="calls"></ul>
<p id="policy"></p>
<h2>Votes</h2>
<form id="motion" hidden>
<input id="motion-title" maxlength="200" required placeholder="Motion" aria-label="Motion">
<label>about <select id="motion-about"></select></label>
<label>for <input id="motion-minutes" type="number" min="1" max="1440" value="5"> min</label>
<button type="submit">Put to the vote</button>
</form>
<ul id="motions"></ul>
<h2>Evidence</h2>
<p id="evidence-drop"><label>Drop files here, or <input type="file" id="evidence-files" multiple></label></p>
<p id="evidence-state" role="status"></p>
<ul id="evidence"></ul>
<h2>Messages</h2>
<ul id="messages"></ul>
</section>
<noscript>The conference needs JavaScript.</noscript>
</main>
<script src="${script}"></script>
</body>
</html>
`

const script = 'text/javascript; charset=utf-8'

function filesOf({ programs, style }: PageBundle): ReadonlyMap<string, PageFile> {
  const paths = programs.map((text) => `/${hashOf(text)}.js`)
  const [main, worker, sipCall] = paths as [string, string, string]
  const stylePath = `/${hashOf(style)}.css`
  const file = (mediaType: string, text: string, lasting = true): PageFile => ({ mediaType, octets: Buffer.from(text), lasting })
  return new Map([
    ['/', file('text/html; charset=utf-8', documentOf(main, stylePath, worker, sipCall), false)],
    ...programs.map((text, at) => [paths[at]!, file(script, text)] as const),
    [stylePath, file('text/css; charset=utf-8', style)]
  ])
}

/** By path. @throws {Error} of esbuild when a source cannot be bundled */
export const pageFiles: () => Promise<ReadonlyMap<string, PageFile>> = pageBundle(
  { programs: ['main', 'evidence-worker', 'sip-call'].map((name) => here(`browser/${name}.ts`)), style: here('page.css') },
  filesOf
)
