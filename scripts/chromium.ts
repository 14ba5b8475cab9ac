/** Chromium as it comes with Debian, without a window and without a word to anybody: for tests, benchmarks and the demo. */
import { existsSync } from 'node:fs'
import type { Browser, BrowserContext, LaunchOptions } from 'playwright-core'

/** Where it is; undefined where it is not installed. */
export const chromiumPath: string | undefined = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => existsSync(path)
)

/** Switches of every browser here: nothing but what a page asks for leaves it, and sound plays unasked. */
const switches = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  // in a network namespace there is nothing else
  '--allow-loopback-in-peer-connection'
]

/** A microphone and a camera that nobody is asked for; of a WAV file, said over and over, where one is given. */
export const fakeDevices = (wav?: string): string[] => [
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream',
  ...(wav === undefined ? [] : [`--use-file-for-fake-audio-capture=${wav}`])
]

function options(home: string, more: readonly string[]): LaunchOptions {
  if (chromiumPath === undefined) throw new Error('no Chromium is installed: run npm run setup')
  return {
    executablePath: chromiumPath,
    env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
    args: [...switches, ...more]
  }
}

/**
 * @param home folder of its settings, of whoever starts it
 * @param more further switches
 * @throws {Error} when there is no Chromium
 */
export async function startChromium(home: string, ...more: readonly string[]): Promise<Browser> {
  const { chromium } = await import('playwright-core')
  return chromium.launch(options(home, more))
}

/** The same, which keeps the files of its pages in a folder. */
export async function startChromiumWith(profile: string, home: string, ...more: readonly string[]): Promise<BrowserContext> {
  const { chromium } = await import('playwright-core')
  return chromium.launchPersistentContext(profile, options(home, more))
}
