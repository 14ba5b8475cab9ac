/** Writes the schemas that editors and validators read: `registry.schema.json`, and `guard.cedarschema` of the facts that rules ask about. Tests fail while they differ. */
import { writeFileSync } from 'node:fs'
import { registryJsonSchema } from './registry/schema.ts'
import { shippedFactSchema } from './rules/rule-file.ts'
import { cedarSchema } from './rules/types.ts'

writeFileSync(new URL('registry/registry.schema.json', import.meta.url), `${JSON.stringify(registryJsonSchema(), null, 2)}\n`)
writeFileSync(new URL('rules/guard.cedarschema', import.meta.url), cedarSchema(shippedFactSchema()))
