/** Makes the page's program and its style from their sources: small enough to be made when they are first asked for, 60 ms, and kept in memory. */
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { pageBundle } from '#kernel'

export interface PageParts {
  readonly script: string
  readonly style: string
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Program and style of the page; the same octets for the same sources. @throws {Error} of esbuild when a source cannot be bundled */
export const pageParts: () => Promise<PageParts> = pageBundle(
  { programs: [here('browser/main.ts')], style: here('page.css') },
  ({ programs: [script], style }) => ({ script: script!, style })
)

/** SHA-256 as a Content-Security-Policy names it. @see CSP3 §2.3.1 */
export const cspHash = (text: string): string => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`

const icon =
  'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 16 16%22%3E%3Crect width=%2216%22 height=%2216%22 rx=%223%22 fill=%22%231b57b0%22/%3E%3Cpath d=%22M4 8.2 7 11l5-6%22 fill=%22none%22 stroke=%22white%22 stroke-width=%222%22/%3E%3C/svg%3E'

const views = [
  ['entries', 'Entries'],
  ['trace', 'Trace'],
  ['cost', 'Cost'],
  ['checkpoints', 'Checkpoints'],
  ['trust', 'Trust']
] as const

/**
 * The document around the program.
 *
 * @param head elements of the head that bring style and policy
 * @param end elements that bring data and program
 */
export function pageDocument(head: string, end: string): string {
  const links = views.map(([name, title]) => `<a href="#/${name}" data-view="${name}">${title}</a>`).join('')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${head}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>IF.witness</title>
<link rel="icon" href="${icon}">
</head>
<body>
<header class="top"><div class="brand">IF.witness <span id="origin"></span></div><nav id="views" aria-label="Views" hidden>${links}</nav></header>
<div id="banner" hidden></div>
<main id="content"><noscript>This page checks the log in your browser and needs JavaScript for it. Without it, use ifctl witness verify.</noscript></main>
<dialog id="entry" aria-label="Entry"></dialog>
${end}
</body>
</html>
`
}
