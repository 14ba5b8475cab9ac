/** Chromium as it comes with Debian, for tests of the page. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { startChromium } from '#scripts/chromium.ts'

export interface TestBrowser {
  /** A browser's memory of its own: tests do not see each other's pins. */
  readonly context: (options?: Parameters<Browser['newContext']>[0]) => Promise<BrowserContext>
  /** What went wrong in any page: errors of its program, refusals of its security policy, requests to anywhere but loopback. */
  readonly problems: string[]
  readonly close: () => Promise<void>
}

const isLocal = (url: string): boolean => /^(?:http:\/\/127\.0\.0\.1:\d+\/|file:\/\/\/|blob:|data:)/.test(url)

/** @throws {Error} when there is no Chromium */
export async function openBrowser(): Promise<TestBrowser> {
  const home = await mkdtemp(join(tmpdir(), 'page-browser-'))
  const browser = await startChromium(home)
  const problems: string[] = []
  const context: TestBrowser['context'] = async (options) => {
    const made = await browser.newContext(options)
    made.setDefaultTimeout(15_000)
    await made.route(
      (url) => !isLocal(url.href),
      (route) => {
        problems.push(`request to ${route.request().url()}`)
        return route.abort()
      }
    )
    made.on('weberror', (error) => void problems.push(`error: ${error.error().message}`))
    made.on('console', (message) => {
      // an answer other than 2xx is told by the browser; whether it was right to give it, tests say themselves
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        problems.push(`console: ${message.text()}`)
    })
    return made
  }
  return {
    context,
    problems,
    close: async () => {
      await browser.close()
      await rm(home, { recursive: true, force: true })
    }
  }
}

/** Waits until the page has come to a verdict, and gives it. */
export async function verdictOf(page: Page): Promise<string> {
  const banner = page.locator('.verdict[aria-busy=false]')
  await banner.waitFor()
  return (await banner.getAttribute('data-verdict')) ?? ''
}

/** Puts the token in; with the key of the log where the auditor was given it. */
export async function signIn(
  page: Page,
  url: string,
  token: string,
  trust: { key?: string; policy?: string } = {}
): Promise<string> {
  await page.goto(url)
  await page.fill('#token', token)
  if (trust.key !== undefined) {
    await page.click('details.pin > summary')
    await page.fill('#key', trust.key)
    await page.fill('#policy', trust.policy ?? '')
  }
  await page.click('button[type=submit]')
  return verdictOf(page)
}
