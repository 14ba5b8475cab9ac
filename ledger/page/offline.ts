/** The auditor's page as one file that needs no network: data, program and style in it. */
import type { OfflineData } from '../export/offline-data.ts'
import { cspHash, pageDocument, pageParts } from './bundle.ts'

/**
 * The page with this data, as HTML: the same octets for the same data. It is opened from disk (`file://`), asks nobody for anything, and checks what it
 * holds in the browser.
 */
export async function offlinePage(data: OfflineData): Promise<string> {
  const { script, style } = await pageParts()
  const policy = [
    "default-src 'none'",
    `script-src ${cspHash(script)}`,
    `style-src ${cspHash(style)}`,
    'worker-src blob:',
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'"
  ].join('; ')
  // in a script element nothing but `<` could end it or change how it is read; in JSON it stands in texts alone
  const json = JSON.stringify(data).replaceAll('<', '\\u003c')
  return pageDocument(
    `<meta http-equiv="content-security-policy" content="${policy}">\n<style>${style}</style>`,
    `<script id="data" type="application/json">${json}</script>\n<script id="program">${script}</script>`
  )
}
