import { readFileSync } from 'node:fs'

/** Version of the package. In a bundle it is there already: see bundle.ts. */
export const version = (): string => JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
