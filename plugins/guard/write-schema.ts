/** Writes `registry.schema.json` from the schema in `registry-schema.ts`. A test fails while the two differ. */
import { writeFileSync } from 'node:fs'
import { registryJsonSchema } from './registry-schema.ts'

writeFileSync(new URL('registry.schema.json', import.meta.url), `${JSON.stringify(registryJsonSchema(), null, 2)}\n`)
