/** Programs and styles of pages, made from their sources when they are first asked for. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

export interface PageSources {
  /** Paths, one for each program. */
  readonly programs: readonly string[]
  readonly style: string
}

export interface PageBundle {
  /** In the order of their sources. */
  readonly programs: readonly string[]
  readonly style: string
}

/** Browsers of 2024 and later: `light-dark()` and `Promise.withResolvers` are the newest that is used. */
const target = ['chrome123', 'firefox125', 'safari17.5']

async function bundle({ programs, style }: PageSources): Promise<PageBundle> {
  const { build, stop, transform } = await import('esbuild')
  try {
    const { outputFiles } = await build({
      entryPoints: [...programs],
      outdir: '/',
      // of the kernel a page gets what needs nothing of Node
      alias: { '#kernel': fileURLToPath(new URL('../plain.ts', import.meta.url)) },
      bundle: true,
      minify: true,
      write: false,
      format: 'iife',
      platform: 'browser',
      target,
      logLevel: 'silent'
    })
    const { code } = await transform(await readFile(style, 'utf8'), { loader: 'css', minify: true, target })
    return { programs: outputFiles.map(({ text }) => text.trim()), style: code.trim() }
  } finally {
    // its process would stay for the next bundle, and there is none
    await stop()
  }
}

let turn: Promise<unknown> = Promise.resolve()

/**
 * Makes a page's bundle. One after the other: esbuild is one process, and who ends it would end what another is having made.
 *
 * @throws {Error} of esbuild when a source cannot be bundled
 */
function inTurn(sources: PageSources): Promise<PageBundle> {
  const made = turn.then(() => bundle(sources))
  turn = made.catch(() => undefined)
  return made
}

/** Gives a page's bundle, made once and kept in memory; after a failure, made again. */
export function pageBundle<T>(sources: PageSources, use: (made: PageBundle) => T): () => Promise<T> {
  let made: Promise<T> | null = null
  return () => {
    made ??= inTurn(sources)
      .then(use)
      .catch((error: unknown) => {
        made = null
        throw error
      })
    return made
  }
}
