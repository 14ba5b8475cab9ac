import { fileURLToPath } from 'node:url'
import type { SuiteConfig } from './config.ts'
import { copyIfAbsent, type DataLayout, ensureSecret, layoutOf, makeFolders } from './data.ts'

/** A data folder that is ready. */
export interface PreparedData {
  readonly layout: DataLayout
  readonly adminSecret: string
  /** What was made because it was not there. */
  readonly made: readonly string[]
}

const exampleRegistry = fileURLToPath(new URL('../plugins/guard/experts.example.yaml', import.meta.url))

/**
 * Makes what a first start needs and is not there. Idempotent; nothing that exists is changed.
 *
 * Development gets the example registry. Production is given its registry: making one up would let strangers in.
 */
export async function prepareData(config: SuiteConfig): Promise<PreparedData> {
  const layout = layoutOf(config)
  const made: string[] = []
  await makeFolders(layout)
  if (config.profile === 'development' && (await copyIfAbsent(exampleRegistry, layout.registry))) made.push(layout.registry)
  const adminSecret = await ensureSecret(layout.adminSecret)
  return { layout, adminSecret, made }
}
