import { readRules } from '#guard'
import { checkFile } from '../../subjects/check-file.ts'

export const run = checkFile((text, path) => {
  const { hash, forbids, permits } = readRules(text, path)
  return {
    facts: { policy: hash, forbids: forbids.length, permits: permits.length },
    line: `${forbids.length} forbids and ${permits.length} permits, ${hash}`
  }
})
